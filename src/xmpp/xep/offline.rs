//! XEP-0160: Best Practices for Handling Offline Messages. The account stores; what is stored is decided
//! where messages are read (`translate/message`).

use super::Module;

pub(super) const MODULE: Module = Module { server_features: &["msgoffline"], ..Module::NONE };
