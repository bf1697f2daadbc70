"""libxml2, by way of lxml, as the judge of presence documents: a JSON command per line in, a JSON answer per
line out, {"ok": true} or {"ok": false, "error": ...}.

  validate   documents: each is held against tests/data/xsd/presence.xsd, or with `schema` against that file there
  read       documents: each has to be well-formed
  patch      old, changes, new: `changes` (RFC 5262) makes of `old` what `new` is; all three are validated
  follow     old, changes, new: the operations (RFC 5261) in the one document of `changes` (RFC 5874) do
"""

import copy
import functools
import json
import re
import sys

from lxml import etree

PIDF = "urn:ietf:params:xml:ns:pidf"
DIFF = "{urn:ietf:params:xml:ns:pidf-diff}"
XCAP_DIFF = "{urn:ietf:params:xml:ns:xcap-diff}"


@functools.cache
def schema(name):
    # That of the patch operations is written with entities; it is ours, and a file.
    return etree.XMLSchema(etree.parse(f"tests/data/xsd/{name}.xsd", etree.XMLParser(resolve_entities=True)))


def read(text):
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True)
    return etree.fromstring(text.encode(), parser)


def validated(text, name="presence"):
    root = read(text)
    if not schema(name).validate(root):
        raise ValueError(f"{schema(name).error_log.last_error} in {text}")
    return root


def located(root, operation):
    """The one node that `sel` names: names without prefix have the default namespace of the operation."""
    spaces = {prefix or "default": space for prefix, space in operation.nsmap.items()}
    steps = re.findall(r"(?:[^/'\[]|\[[^\]]*\])+", operation.get("sel"))
    plain = re.compile(r"[^@*:()\[]+(\[|$)")
    steps = [f"default:{step}" if plain.match(step) else step for step in steps]
    found = root.getroottree().xpath("/" + "/".join(steps), namespaces=spaces)
    if len(found) != 1:
        raise ValueError(f"{operation.get('sel')} names {len(found)} nodes")
    return found[0]


def qualified(name, operation):
    prefix, _, local = name.rpartition(":")
    if prefix == "xml":
        return "{http://www.w3.org/XML/1998/namespace}" + local
    return f"{{{operation.nsmap[prefix]}}}{local}" if prefix else local


def add(node, operation):
    kind, position = operation.get("type"), operation.get("pos")
    if kind:
        assert kind.startswith("@") and qualified(kind[1:], operation) not in node.attrib
        node.set(qualified(kind[1:], operation), operation.text or "")
    elif len(operation) == 0:
        assert position is None and len(node) == 0
        node.text = (node.text or "") + (operation.text or "")
    elif position is None and operation.text:
        last = node[-1] if len(node) else None
        if last is None:
            node.text = (node.text or "") + operation.text
        else:
            last.tail = (last.tail or "") + operation.text
        node.extend(copy.deepcopy(child) for child in operation)
    elif position == "prepend":
        assert not node.text
        for child in reversed(operation):
            node.insert(0, copy.deepcopy(child))
    elif position == "after":
        for child in reversed(operation):
            node.addnext(copy.deepcopy(child))
    elif position == "before":
        for child in operation:
            node.addprevious(copy.deepcopy(child))
    else:
        node.extend(copy.deepcopy(child) for child in operation)


def replace(node, operation):
    if not isinstance(node, str):
        (child,) = operation
        node.getparent().replace(node, copy.deepcopy(child))
    elif node.is_attribute:
        node.getparent().set(node.attrname, operation.text or "")
    else:
        assert node.is_text
        node.getparent().text = operation.text


def remove(node, _operation):
    if not isinstance(node, str):
        assert not node.tail
        node.getparent().remove(node)
    elif node.is_attribute:
        del node.getparent().attrib[node.attrname]
    else:
        assert node.is_text
        node.getparent().text = None


def patched(old, changes):
    if changes.tag == DIFF + "pidf-full":
        return changes
    assert changes.tag == DIFF + "pidf-diff" and changes.get("entity") == old.get("entity")
    operate(old, changes, DIFF)
    old.set("version", changes.get("version"))
    return old


def operate(root, operations, space):
    for operation in operations:
        apply = {space + "add": add, space + "replace": replace, space + "remove": remove}[operation.tag]
        apply(located(root, operation), operation)


def plain(element):
    return (
        element.tag,
        sorted(element.attrib.items()),
        element.text or "",
        [(plain(child), child.tail or "") for child in element],
    )


def handle(command):
    if command["do"] == "patch":
        old, changes, new = (validated(command[name]) for name in ("old", "changes", "new"))
        if plain(patched(old, changes)) != plain(new):
            raise ValueError(f"{etree.tostring(old)} after {command['changes']} is not {command['new']}")
        return {"ok": True, "whole": changes.tag == DIFF + "pidf-full"}
    if command["do"] == "follow":
        old, new = read(command["old"]), read(command["new"])
        (document,) = validated(command["changes"], "events")
        assert document.tag == XCAP_DIFF + "document" and len(document), "no operations"
        operate(old, document, XCAP_DIFF)
        if plain(old) != plain(new):
            raise ValueError(f"{etree.tostring(old)} after {command['changes']} is not {command['new']}")
        return {"ok": True}
    for document in command["documents"]:
        if command["do"] == "validate":
            validated(document, command.get("schema", "presence"))
        else:
            read(document)
    return {"ok": True}


for line in sys.stdin:
    try:
        answer = handle(json.loads(line))
    except Exception as error:
        answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
