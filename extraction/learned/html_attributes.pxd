# The types with which html_attributes.py is compiled. It reads and runs the same without them.
cimport cython

@cython.locals(size=cython.Py_ssize_t, at=cython.Py_ssize_t, begin=cython.Py_ssize_t, name=str, value=str, values=dict)
cpdef dict attribute_values(str source)

cpdef str resolve_references(str text)
