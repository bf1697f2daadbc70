"""Says of each text on standard input, one JSON string per line, whether libxml2 takes it for well-formed XML whose
prefixes are all declared: `true` or `false` per line, in order."""

import json
import sys

from lxml import etree


def is_well_formed(text):
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True)
    try:
        etree.fromstring(text.encode("utf-8"), parser)
        is_taken = True
    except etree.XMLSyntaxError:
        is_taken = False
    # Errors about namespaces are not all fatal to lxml; warnings, about odd URIs for one, sometimes are.
    is_warning = lambda error: error.level_name == "WARNING" or error.type_name.startswith("WAR_")
    faults = [error for error in parser.error_log if not is_warning(error)]
    if parser.error_log:
        return not faults
    return is_taken


for line in sys.stdin:
    print(json.dumps(is_well_formed(json.loads(line))))
