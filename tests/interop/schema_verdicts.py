"""libxml2, by way of lxml, as the judge of documents: a JSON command per line in, a JSON answer per line out.

  verdicts   schema, documents: each is held against tests/data/xsd/SCHEMA.xsd; the answer says of each what is
             wrong with it, or null
  opinion    schema, documents: whether each is valid by the pure Python of xmlschema
"""

import json
import sys

import xmlschema
from lxml import etree

SCHEMAS = {}
OTHERS = {}


def schema(name):
    if name not in SCHEMAS:
        parser = etree.XMLParser(resolve_entities=True, no_network=True)
        SCHEMAS[name] = etree.XMLSchema(etree.parse(f"tests/data/xsd/{name}.xsd", parser))
    return SCHEMAS[name]


def verdict(judge, text):
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True)
    try:
        root = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as error:
        return f"not well-formed: {error}"
    return None if judge.validate(root) else str(judge.error_log.last_error)


def verdicts(command):
    judge = schema(command["schema"])
    return {"verdicts": [verdict(judge, text) for text in command["documents"]]}


def opinion(command):
    """What another validator says, which has nothing in common with libxml2."""
    name = command["schema"]
    if name not in OTHERS:
        OTHERS[name] = xmlschema.XMLSchema10(f"tests/data/xsd/{name}.xsd", allow="local", defuse="never")
    return {"verdicts": [OTHERS[name].is_valid(document) for document in command["documents"]]}


for line in sys.stdin:
    command = json.loads(line)
    answer = {"verdicts": verdicts, "opinion": opinion}[command["do"]](command)
    print(json.dumps({"ok": True, **answer}), flush=True)
