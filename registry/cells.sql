-- {query} is a user's, which is one SELECT, and ends with its line.

-- name: answer
SELECT {cells} FROM ({query}
) AS answer({names});

-- name: cell
CASE WHEN strlen({name}::VARCHAR) > {most} THEN error('{refusal}') ELSE {name} END
