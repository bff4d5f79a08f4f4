# The types with which markup_words.py is compiled. It reads and runs the same without them.
cimport cython

cdef dict _PREFIXES

@cython.locals(words=list, groups=dict, group=list, source=str)
cpdef element_words(list attributes, list has_text)

@cython.locals(words=list, key=str, value=str, prefix=str)
cdef list _attribute_words(dict attributes)
