"""Results of calls, for equal calls of functions that are declared with `cache=`."""
