# The types with which greedy_pass.py is compiled; without a compiler it runs as plain Python.
# cython: language_level=3
cimport cython

cdef Py_ssize_t _MARKS
cdef unsigned int _MARK_MASK
cdef long long _NO_MATCH, _KEY_BASE, _MAX_SHARED

cdef class GreedyPass:
    cdef readonly object match, similarity, reason, listed, capped
    cdef const unsigned char[::1] from_index
    cdef const long long[::1] path_rows, list_starts, text, url
    cdef const long long[:, ::1] paths
    cdef Py_ssize_t levels
    cdef long long[::1] list_ends, slots, _match, _similarity, _shared, _heap, _text_match, _text_similarity, _url_match
    cdef unsigned char[::1] _reason, _text_reason, _listed, _capped, _marks
    cdef double threshold, lower_bound
    cdef bint exact, estimate, hamming, within_run, _marked

    @cython.locals(document=cython.Py_ssize_t, from_index=cython.bint, removed=cython.bint)
    cpdef void run(
        self, Py_ssize_t first, Py_ssize_t last, const unsigned int[::1] values, const long long[::1] starts,
        const long long[::1] lengths
    ) except *

    @cython.locals(match=cython.longlong)
    cdef bint _matches_text_or_url(self, Py_ssize_t document) except -1

    cdef void _keep(self, Py_ssize_t document) except *

    @cython.locals(text=cython.longlong)
    cdef void _set_text_match(
        self, Py_ssize_t document, long long match, long long similarity, unsigned char reason
    ) except *

    @cython.locals(row=cython.Py_ssize_t, level=cython.Py_ssize_t, number=cython.longlong)
    cdef void _add_to_lists(self, Py_ssize_t document) except *

    @cython.locals(
        count=cython.Py_ssize_t, found=cython.bint, candidate=cython.longlong, similarity=cython.longlong,
        place=cython.Py_ssize_t
    )
    cdef bint _matches_candidate(
        self, Py_ssize_t document, const unsigned int[::1] values, const long long[::1] starts,
        const long long[::1] lengths
    ) except -1

    @cython.locals(
        small=cython.longlong, large=cython.longlong, needed=cython.double, common=cython.longlong,
        similarity=cython.longlong
    )
    cdef long long _compare(
        self, const unsigned int[::1] values, long long start, long long length, long long other_start,
        long long other_length
    ) except? -9

    @cython.locals(
        count=cython.Py_ssize_t, row=cython.Py_ssize_t, level=cython.Py_ssize_t, number=cython.longlong,
        slot=cython.Py_ssize_t, candidate=cython.longlong, place=cython.Py_ssize_t
    )
    cdef Py_ssize_t _gather_candidates(self, Py_ssize_t document) except -1

    @cython.locals(key=cython.longlong, child=cython.Py_ssize_t)
    cdef void _sift_down(self, Py_ssize_t place, Py_ssize_t count) noexcept

    @cython.locals(at=cython.Py_ssize_t)
    cdef void _set_marks(
        self, const unsigned int[::1] values, Py_ssize_t start, Py_ssize_t length, unsigned char mark
    ) noexcept

    @cython.locals(at=cython.Py_ssize_t, count=cython.longlong)
    cdef long long _count_marked(self, const unsigned int[::1] values, Py_ssize_t start, Py_ssize_t length) noexcept

@cython.locals(
    left_end=cython.Py_ssize_t, right_end=cython.Py_ssize_t, count=cython.longlong, a=cython.uint, b=cython.uint
)
cdef long long _common_values(
    const unsigned int[::1] values, Py_ssize_t left, Py_ssize_t left_length, Py_ssize_t right, Py_ssize_t right_length
) noexcept

@cython.locals(place=cython.Py_ssize_t, count=cython.longlong)
cdef long long _equal_places(
    const unsigned int[::1] values, Py_ssize_t left, Py_ssize_t right, Py_ssize_t length
) noexcept

@cython.locals(place=cython.Py_ssize_t, count=cython.longlong, bits=cython.uint)
cdef long long _differing_bits(
    const unsigned int[::1] values, Py_ssize_t left, Py_ssize_t right, Py_ssize_t length
) noexcept

@cython.locals(quotient=cython.longlong, rest=cython.longlong)
cdef long long _ratio(long long part, long long whole) noexcept
