//! SCRAM verifiers of a password that is not known here, made anew by the help of a client that does know it: where
//! more iterations are configured than it was set with.

use crate::signal::Address;

use super::{
    AuthError, Authenticator, Login, ScramHash, ScramVerifier, authenticator::context, credential::Verifiers,
    key::random, scram::SALT_BYTES,
};

/// What a client computes to make one verifier anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScramTask {
    pub hash: ScramHash,
    pub salt: [u8; SALT_BYTES],
    pub iterations: u32,
    /// Which password it is about, by what is another whenever one is set.
    pub password: Vec<u8>,
}

impl Authenticator {
    /// The tasks by which a client that logged in with the account's own password would make its verifiers as
    /// strong as they are configured to be.
    ///
    /// # Errors
    /// [`AuthError::Sealed`], or the store's.
    pub async fn scram_tasks(&self, login: &Login) -> Result<Vec<ScramTask>, AuthError> {
        let Some(known) = self.known(&login.address).await?.filter(|_| login.device.is_none()) else {
            return Ok(Vec::new());
        };
        let iterations = self.inner.config.scram_iterations;
        let is_weak = |hash: &ScramHash| known.verifiers.scram(*hash).iterations < iterations;
        let hashes = [ScramHash::Sha1, ScramHash::Sha256, ScramHash::Sha512].into_iter().filter(is_weak);
        let password = known.verifiers.salt();
        let task = |hash| ScramTask { hash, salt: random(), iterations, password: password.to_vec() };
        Ok(hashes.map(task).collect())
    }

    /// Takes the outcome of a task, the `SaltedPassword` of RFC 5802 §3.
    ///
    /// # Errors
    /// [`AuthError::Wrong`] where it has the wrong length, or the password was set anew since the task was given:
    /// whoever works on it knows the one before. Or the store's.
    pub async fn finish_scram_task(
        &self,
        address: &Address,
        task: &ScramTask,
        salted: &[u8],
    ) -> Result<(), AuthError> {
        if salted.len() != task.hash.len() {
            return Err(AuthError::Wrong);
        }
        let verifier = ScramVerifier::from_salted(task.hash, salted, &task.salt, task.iterations);
        let wanted = address.clone();
        let record = self.blocking(move |inner| inner.store.credential(&wanted)).await?;
        let record = record.ok_or(AuthError::NoSuchAccount)?;
        let place = context(address, "account");
        let verifiers = self.open_sealed::<Verifiers>(&place, &record.credential)?;
        if verifiers.salt() != task.password {
            return Err(AuthError::Wrong);
        }
        let sealed = self.seal(&place, &verifiers.with_scram(task.hash, verifier))?;
        let (key, before) = (record.account.key, record.credential);
        self.blocking(move |inner| inner.store.replace_credential(key, before, sealed)).await?;
        self.inner.accounts.forget(address);
        Ok(())
    }
}
