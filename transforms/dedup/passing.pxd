# The types with which passing.py is compiled. It reads and runs the same without them.
# cython: language_level=3
cimport cython

cdef Py_ssize_t _MARKS
cdef unsigned int _MASK
cdef long long _RANK, _MOST

cdef class GreedyPass:
    cdef readonly object match, alike, why, listed, capped
    cdef const unsigned char[::1] settled
    cdef const long long[::1] rows, begins, text, url
    cdef const long long[:, ::1] paths
    cdef Py_ssize_t levels
    cdef long long[::1] fill, slots, _match, _alike, _shared, _heap, _stands, _text_alike, _first
    cdef unsigned char[::1] _why, _text_why, _listed, _capped, _marks
    cdef double threshold, least
    cdef bint exact, estimate, hamming, within

    @cython.locals(document=cython.Py_ssize_t, settled=cython.bint, goes=cython.bint)
    cpdef void run(
        self, Py_ssize_t first, Py_ssize_t last, const unsigned int[::1] values, const long long[::1] starts,
        const long long[::1] lengths
    ) except *

    @cython.locals(stands=cython.longlong)
    cdef bint _known(self, Py_ssize_t document) except -1

    cdef void _keep(self, Py_ssize_t document) except *

    @cython.locals(text=cython.longlong)
    cdef void _answer(self, Py_ssize_t document, long long other, long long alike, unsigned char why) except *

    @cython.locals(row=cython.Py_ssize_t, level=cython.Py_ssize_t, number=cython.longlong)
    cdef void _list(self, Py_ssize_t document) except *

    @cython.locals(
        count=cython.Py_ssize_t, begin=cython.longlong, length=cython.longlong, their=cython.longlong,
        small=cython.longlong, large=cython.longlong, marked=cython.bint, found=cython.bint, other=cython.longlong,
        at=cython.Py_ssize_t, needed=cython.double, common=cython.longlong, alike=cython.longlong,
        place=cython.Py_ssize_t
    )
    cdef bint _matched(
        self, Py_ssize_t document, const unsigned int[::1] values, const long long[::1] starts,
        const long long[::1] lengths
    ) except -1

    @cython.locals(
        count=cython.Py_ssize_t, row=cython.Py_ssize_t, level=cython.Py_ssize_t, number=cython.longlong,
        slot=cython.Py_ssize_t, other=cython.longlong, place=cython.Py_ssize_t
    )
    cdef Py_ssize_t _gather(self, Py_ssize_t document) except -1

    @cython.locals(key=cython.longlong, below=cython.Py_ssize_t)
    cdef void _sift(self, Py_ssize_t place, Py_ssize_t count) noexcept

    @cython.locals(at=cython.Py_ssize_t, count=cython.longlong)
    cdef long long _bound(self, const unsigned int[::1] values, Py_ssize_t begin, Py_ssize_t length) noexcept

@cython.locals(
    left_end=cython.Py_ssize_t, right_end=cython.Py_ssize_t, count=cython.longlong, a=cython.uint, b=cython.uint
)
cdef long long _in_common(
    const unsigned int[::1] values, Py_ssize_t left, Py_ssize_t left_length, Py_ssize_t right, Py_ssize_t right_length
) noexcept

@cython.locals(place=cython.Py_ssize_t, count=cython.longlong)
cdef long long _equal(
    const unsigned int[::1] values, Py_ssize_t left, Py_ssize_t right, Py_ssize_t length
) noexcept

@cython.locals(place=cython.Py_ssize_t, count=cython.longlong, bits=cython.uint)
cdef long long _differing(
    const unsigned int[::1] values, Py_ssize_t left, Py_ssize_t right, Py_ssize_t length
) noexcept

@cython.locals(quotient=cython.longlong, rest=cython.longlong)
cdef long long _rounded(long long part, long long whole) noexcept
