-- Machines that somebody knows of.
SELECT attempt, want, reason FROM nodes WHERE state <> 'GONE'
