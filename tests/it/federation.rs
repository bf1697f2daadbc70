//! Our server among others: Prosody and ejabberd of Debian, another one of ours, and peers that do not behave.

mod custody;
mod ejabberd;
mod escapes;
mod faces;
mod floods;
mod hostile;
mod invitations;
mod meeting;
mod names;
mod proofs;
mod prosody;
mod push;
mod refusals;
mod relay;
mod resumption;
mod services;
mod town;
mod twins;

use ejabberd::Ejabberd;
use prosody::Prosody;
use town::Town;
