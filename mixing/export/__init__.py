"""Export: the shards of a mix in the layouts that other trainers read, one module per format.

``export_mix`` checks and runs an export, ``format_table`` lists the formats, and ``export_format`` has what they share.
Token files are linked where a format reads them as they are, with its own files beside them, and are copied behind a
header where it needs one. Nothing is written into the directory of the mix.
"""
