SELECT attempt, want, reason FROM nodes WHERE state <> 'GONE'
