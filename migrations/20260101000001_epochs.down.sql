DROP TABLE routers;
DROP TABLE epochs;
