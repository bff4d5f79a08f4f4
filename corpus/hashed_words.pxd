# The types with which hashed_words.py is compiled; uncompiled it gives the same results.
# cython: language_level=3
cimport cython

cdef unsigned long long _ALL, _FIRST, _SECOND

cdef class WordHasher:
    cdef const long long[::1] folds
    cdef const unsigned char[::1] kinds, as_mark
    cdef const unsigned long long[::1] multipliers
    cdef int mark
    cdef Py_ssize_t longest

    @cython.locals(
        folds="const long long[::1]", kinds="const unsigned char[::1]", multipliers="const unsigned long long[::1]",
        at=cython.Py_ssize_t, position=cython.Py_ssize_t, length=cython.Py_ssize_t, before=cython.int, base=cython.int,
        kind=cython.int, code=cython.uint, folded=cython.longlong, total=cython.ulonglong
    )
    cpdef Py_ssize_t hash_text(
        self, const unsigned char[::1] data, Py_ssize_t begin, Py_ssize_t end, unsigned long long[::1] out,
        Py_ssize_t place
    ) except -2

    @cython.locals(text=cython.Py_ssize_t, texts=cython.Py_ssize_t, found=cython.Py_ssize_t)
    cpdef Py_ssize_t hash_texts(
        self, const unsigned char[::1] data, const long long[::1] edges, Py_ssize_t first,
        unsigned long long[::1] out, Py_ssize_t place, long long[::1] counts
    ) except -2

cdef unsigned long long _mixed(unsigned long long value) noexcept
