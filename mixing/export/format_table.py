"""The export formats by name. A new format is one module and one line here."""

from __future__ import annotations

from gristmill.mixing.export.datatrove import DATATROVE
from gristmill.mixing.export.export_format import ExportFormat
from gristmill.mixing.export.hf_tokens import HF_TOKENS
from gristmill.mixing.export.litdata import LITDATA
from gristmill.mixing.export.llmc import LLMC
from gristmill.mixing.export.megatron import MEGATRON
from gristmill.mixing.export.mosaic import MOSAIC
from gristmill.mixing.export.olmo import OLMO

FORMATS: dict[str, ExportFormat] = {
    one.name: one for one in (MEGATRON, OLMO, DATATROVE, LITDATA, LLMC, MOSAIC, HF_TOKENS)
}
