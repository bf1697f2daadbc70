"""libxml2, by way of lxml, as the judge of presence documents: a JSON command per line in, a JSON answer per
line out, {"ok": true} or {"ok": false, "error": ...}.

  validate   documents: each is held against tests/data/xsd/presence.xsd, or with `schema` against that file there
  read       documents: each has to be well-formed
  alike      documents: two that have one canonical form
  patch      old, changes, new: `changes` (RFC 5262) makes of `old` what `new` is; all three are validated
  follow     old, changes: the operations (RFC 5261) in `changes` (RFC 5874) make of `old` what is answered as `text`,
             in canonical form, and as `tags`, the entity tags after each; with `new`, that has to be the document;
             with `tag`, that has to be the one before the first
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


# An empty text would be a node of its own to libxml2, which XPath knows nothing of: there is None instead.


def copies(operation):
    return [copy.deepcopy(child) for child in operation]


def put_before(parent, index, text, nodes):
    """Before the child of this number, behind the text that is before it."""
    if index:
        parent[index - 1].tail = (parent[index - 1].tail or "") + text or None
    else:
        parent.text = (parent.text or "") + text or None
    for offset, node in enumerate(nodes):
        parent.insert(index + offset, node)


def put_after(parent, index, text, nodes):
    """Behind the child of this number, or at the very beginning, before the text that is there."""
    before, name = (parent, "text") if index < 0 else (parent[index], "tail")
    behind = getattr(before, name) or ""
    setattr(before, name, (text if nodes else text + behind) or None)
    for offset, node in enumerate(nodes):
        parent.insert(index + 1 + offset, node)
    if nodes:
        nodes[-1].tail = (nodes[-1].tail or "") + behind or None


def add(node, operation):
    kind, position = operation.get("type"), operation.get("pos")
    text, nodes = operation.text or "", copies(operation)
    if kind:
        assert kind.startswith("@") and qualified(kind[1:], operation) not in node.attrib and not nodes
        node.set(qualified(kind[1:], operation), text)
    elif position in ("before", "after"):
        parent = node.getparent()
        (put_before if position == "before" else put_after)(parent, parent.index(node), text, nodes)
    elif position == "prepend":
        put_after(node, -1, text, nodes)
    else:
        assert position is None
        put_before(node, len(node), text, nodes)


def replace(node, operation):
    if not isinstance(node, str):
        (child,) = copies(operation)
        assert not operation.text and not child.tail
        parent = node.getparent()
        if parent is None:
            # What is around the root element stays.
            for sibling in list(node.itersiblings(preceding=True))[::-1]:
                child.addprevious(sibling)
            for sibling in list(node.itersiblings())[::-1]:
                child.addnext(sibling)
            return child
        child.tail = node.tail
        parent.replace(node, child)
    elif node.is_attribute:
        node.getparent().set(node.attrname, operation.text or "")
    else:
        set_text(node, operation.text)
    return None


def set_text(node, text):
    if node.is_tail:
        node.getparent().tail = text
    else:
        assert node.is_text
        node.getparent().text = text


def remove(node, _operation):
    if isinstance(node, str):
        if node.is_attribute:
            del node.getparent().attrib[node.attrname]
        else:
            set_text(node, None)
        return
    # What is behind it stays (RFC 5261 section 4.5.6).
    parent = node.getparent()
    index, tail = parent.index(node), node.tail or ""
    node.tail = None
    parent.remove(node)
    put_before(parent, index, tail, [])


def patched(old, changes):
    if changes.tag == DIFF + "pidf-full":
        return changes
    assert changes.tag == DIFF + "pidf-diff" and changes.get("entity") == old.get("entity")
    operate(old, changes, DIFF)
    old.set("version", changes.get("version"))
    return old


def operate(root, operations, space):
    """Gives the root, which may be another one now."""
    for operation in operations:
        apply = {space + "add": add, space + "replace": replace, space + "remove": remove}[operation.tag]
        other = apply(located(root, operation), operation)
        root = root if other is None else other
    return root


def canonical(root):
    return etree.tostring(root.getroottree(), method="c14n", with_comments=True).decode()


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
        old, tag, tags = read(command["old"]), command.get("tag"), []
        for document in validated(command["changes"], "events"):
            assert document.tag == XCAP_DIFF + "document"
            assert tag is None or document.get("previous-etag") == tag, f"not from {tag}: {command['changes']}"
            tag = document.get("new-etag")
            tags.append(tag)
            assert len(document), f"no operations: {command['changes']}"
            if document[0].tag != XCAP_DIFF + "body-not-changed":
                old = operate(old, document, XCAP_DIFF)
        text = canonical(old)
        if "new" in command and text != canonical(read(command["new"])):
            raise ValueError(f"{text} after {command['changes']} is not {command['new']}")
        return {"ok": True, "text": text, "tags": tags}
    if command["do"] == "alike":
        one, other = (canonical(read(document)) for document in command["documents"])
        if one != other:
            raise ValueError(f"{one} is not {other}")
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
