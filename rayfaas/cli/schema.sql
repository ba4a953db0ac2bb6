-- The columns of view $1, or of all.
SELECT "view", "column", "type", meaning FROM view_columns WHERE $1::VARCHAR IS NULL OR "view" = $1
