create schema test_schema;
create extension hstore;
create extension citext;
