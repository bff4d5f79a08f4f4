# The types with which text_scan.py is compiled. It reads and runs the same without them.
cimport cython

cdef unsigned short[::1] _KINDS_OF
cdef int _PLANE, LETTER

@cython.locals(code=cython.int)
cpdef bint is_kind(Py_UCS4 character, int kind) except -1

@cython.locals(words=cython.int, before=cython.int, letter=cython.int, kind=cython.int, kinds=cython.int, character=cython.Py_UCS4)
cpdef int count_characters(str text, int[::1] counts) except -1

@cython.locals(words=list, head=str, begun=cython.Py_ssize_t, at=cython.Py_ssize_t)
cpdef list lead_words(str text)

@cython.locals(
    found=list, size=cython.Py_ssize_t, at=cython.Py_ssize_t, begin=cython.Py_ssize_t, capitals=cython.Py_ssize_t
)
cpdef list identifier_words(str value)

cdef void _add(list found, str word) except *
