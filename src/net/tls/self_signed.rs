//! The certificate that a server makes for itself on its first start.
//!
//! It lets a newcomer try everything with TLS on; clients have to be told to trust it. It is kept in
//! the data folder and made anew only when it is not valid for all of the server's domains.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use rcgen::{CertificateParams, DnType, KeyPair};
use tokio_rustls::rustls::crypto::ring;

use super::{CertificateFiles, TlsError, certificate::Certificate};

/// The files of the self-signed certificate in `folder`, made or renewed if need be.
pub(super) fn ensure(folder: &Path, domains: &[String]) -> Result<CertificateFiles, TlsError> {
    let files = CertificateFiles { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") };
    if files.certificate.exists() && files.key.exists() {
        let made = Certificate::load(&files, &ring::default_provider())?;
        if names(domains).iter().all(|name| made.is_for(name)) {
            return Ok(files);
        }
    }
    make(folder, &files, domains)?;
    Ok(files)
}

fn make(folder: &Path, files: &CertificateFiles, domains: &[String]) -> Result<(), TlsError> {
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::new(names(domains))?;
    parameters.distinguished_name.push(DnType::OrganizationName, "Rollcall, self-signed");
    if let Some(domain) = domains.first() {
        parameters.distinguished_name.push(DnType::CommonName, domain.as_str());
    }
    // A fixed span: a server in a box with a wrong clock must get a usable certificate too.
    parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2049, 12, 31);
    let certificate = parameters.self_signed(&key)?;

    let in_folder = |source| TlsError::File { path: folder.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(in_folder)?;
    replace(&files.key, &key.serialize_pem(), 0o600)?;
    replace(&files.certificate, &certificate.pem(), 0o644)
}

/// The domains and what a person on the same machine would type, without repetition.
fn names(domains: &[String]) -> Vec<String> {
    let mut names = domains.to_vec();
    for local in ["localhost", "127.0.0.1", "::1"] {
        if !names.iter().any(|name| name == local) {
            names.push(local.to_owned());
        }
    }
    names
}

/// Writes a file under another name and renames it, so that it is there wholly or not at all.
fn replace(path: &Path, text: &str, mode: u32) -> Result<(), TlsError> {
    let new = path.with_extension("new");
    let write = || -> io::Result<()> {
        if new.exists() {
            fs::remove_file(&new)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(|source| TlsError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn key_is_private_and_second_start_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let domains = ["example.org".to_owned()];
        let files = ensure(folder.path(), &domains).unwrap();
        let mode = fs::metadata(&files.key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let first = fs::read(&files.certificate).unwrap();
        ensure(folder.path(), &domains).unwrap();
        assert_eq!(fs::read(&files.certificate).unwrap(), first);
    }

    #[test]
    fn new_domain_makes_a_new_certificate() {
        let folder = tempfile::tempdir().unwrap();
        ensure(folder.path(), &["a.example".to_owned()]).unwrap();
        let files = ensure(folder.path(), &["a.example".to_owned(), "b.example".to_owned()]).unwrap();
        let certificate = Certificate::load(&files, &ring::default_provider()).unwrap();
        for name in ["a.example", "b.example", "localhost", "127.0.0.1", "::1"] {
            assert!(certificate.is_for(name), "{name}");
        }
        assert!(!certificate.is_for("c.example"));
    }

    #[test]
    fn lost_key_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let files = ensure(folder.path(), &[]).unwrap();
        fs::remove_file(&files.key).unwrap();
        let files = ensure(folder.path(), &[]).unwrap();
        Certificate::load(&files, &ring::default_provider()).unwrap();
    }
}
