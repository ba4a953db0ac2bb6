-- What can be asked.
SELECT DISTINCT "view" FROM view_columns ORDER BY 1
