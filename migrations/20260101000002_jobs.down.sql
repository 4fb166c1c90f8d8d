DROP TABLE journal;
DROP TABLE jobs;
