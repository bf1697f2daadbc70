mod edits;
mod nodes;
mod reading;
mod selecting;
mod splices;

use super::*;

const LIMITS: TreeLimits = TreeLimits { bytes: 4096, nodes: 200, depth: 6, attributes: 8, declarations: 8 };

fn tree(text: &str) -> Tree {
    Tree::parse(text, &LIMITS).unwrap_or_else(|fault| panic!("{fault}: {text}"))
}
