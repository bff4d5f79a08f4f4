# The types with which clues.py is compiled. It reads and runs the same without them.
cimport cython

cdef dict _TELLING

@cython.locals(words=list, kinds=dict, kind=list, written=str)
cpdef element_clues(list attributes, list holds)

@cython.locals(clues=list, key=str, value=str, prefix=str)
cdef list _clues(dict attributes)
