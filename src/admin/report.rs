//! Reports: what owners tell whoever runs the server about people whom they block.

use super::{Admin, AdminError, Answer};
use crate::{
    auth::AuthError,
    signal::{Address, Timestamp},
    storage::Complaint,
};

impl Admin {
    /// Keeps what the owner of `from` reports about somebody, for the operator to read.
    ///
    /// # Errors
    /// There is no such account, or the store's.
    pub async fn report(
        &self,
        from: &Address,
        about: Address,
        complaint: Complaint,
    ) -> Result<(), AdminError> {
        let from = from.clone();
        let kept = self
            .read(move |store| {
                let Some(account) = store.account(&from)? else { return Ok(false) };
                store.put_report(account.key, about, Timestamp::now(), complaint).map(|()| true)
            })
            .await?;
        if kept { Ok(()) } else { Err(AuthError::NoSuchAccount.into()) }
    }

    pub(super) async fn reports(&self) -> Result<Answer, AdminError> {
        Ok(Answer::Reports { reports: self.read(|store| store.reports()).await? })
    }

    pub(super) async fn remove_report(&self, id: i64) -> Result<Answer, AdminError> {
        match self.read(move |store| store.remove_report(id)).await? {
            true => Ok(Answer::Done),
            false => Err(AdminError::NoSuchReport),
        }
    }
}
