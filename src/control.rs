//! The control socket: how the command line reaches a running server.
//!
//! A Unix socket in the data folder that only the server's user can open. One JSON object per
//! line: a [`Command`] in, `{"ok": …}` or `{"error": "…"}` out. Whoever can open the socket may do
//! everything, because he could read the data folder as well.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    time,
};

use crate::{
    admin::{Admin, Answer, Command},
    net::{ShutdownSignal, Tasks},
};

/// Where the socket of a data folder is.
#[must_use]
pub fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}

/// The listening end.
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Ok(Answer),
    Error(String),
}

impl Control {
    /// Opens the socket. The store of the data folder must be open: then a socket that is there
    /// was left behind by a process that is gone.
    ///
    /// # Errors
    /// What the system says, for example that the path is too long for a socket.
    pub fn open(data_dir: &Path) -> io::Result<Self> {
        let path = socket_path(data_dir);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
    }

    /// Serves until the server drains. At most [`CALLERS`] at a time; more wait to be accepted.
    pub async fn serve(self, admin: Admin, shutdown: ShutdownSignal) {
        let permits = Arc::new(Semaphore::new(CALLERS));
        let mut callers = Tasks::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.accept(&permits) => accepted,
                () = shutdown.draining() => break,
            };
            match accepted {
                Ok((stream, permit)) => {
                    let admin = admin.clone();
                    callers.spawn(async move {
                        if let Err(error) = handle_caller(stream, &admin).await {
                            tracing::debug!(%error, "control connection ended");
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::error!(%error, "control socket cannot accept");
                    time::sleep(PAUSE).await;
                }
            }
        }
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, "control socket remains");
        }
        callers.finish(&shutdown).await;
    }

    async fn accept(
        &self,
        permits: &Arc<Semaphore>,
    ) -> io::Result<(UnixStream, tokio::sync::OwnedSemaphorePermit)> {
        let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, _) = self.listener.accept().await?;
        Ok((stream, permit))
    }
}

/// Answers one caller, line by line, until he ends or is silent for too long.
async fn handle_caller(stream: UnixStream, admin: &Admin) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    while let Some(line) = time::timeout(SILENCE, next_line(&mut read, REQUEST_BYTES)).await?? {
        let answer = match serde_json::from_slice::<Command>(&line) {
            Ok(command) => match admin.perform(command).await {
                Ok(answer) => Line::Ok(answer),
                Err(error) => Line::Error(error.to_string()),
            },
            Err(error) => Line::Error(format!("not understood: {error}")),
        };
        let mut text = serde_json::to_vec(&answer)?;
        text.push(b'\n');
        time::timeout(SILENCE, write.write_all(&text)).await??;
    }
    Ok(())
}

/// The calling end.
pub struct Caller {
    stream: BufReader<UnixStream>,
}

impl Caller {
    /// Reaches the server that runs on a data folder; `None` where none listens.
    ///
    /// # Errors
    /// What the system says, for example that only another user may.
    pub async fn connect(data_dir: &Path) -> io::Result<Option<Self>> {
        match UnixStream::connect(socket_path(data_dir)).await {
            Ok(stream) => Ok(Some(Self { stream: BufReader::new(stream) })),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Has one thing done. The inner error is the server's.
    ///
    /// # Errors
    /// The server went away or answered something that is no answer.
    pub async fn perform(&mut self, command: &Command) -> io::Result<Result<Answer, String>> {
        let mut text = serde_json::to_vec(command)?;
        text.push(b'\n');
        self.stream.get_mut().write_all(&text).await?;
        let line = next_line(&mut self.stream, ANSWER_BYTES).await?;
        let line = line.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(match serde_json::from_slice(&line)? {
            Line::Ok(answer) => Ok(answer),
            Line::Error(text) => Err(text),
        })
    }
}

/// The next line without its end; `None` at the end of the stream.
async fn next_line(
    stream: &mut (impl tokio::io::AsyncBufRead + Unpin),
    limit: u64,
) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    stream.take(limit).read_until(b'\n', &mut line).await?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long or cut")),
    }
}

const CALLERS: usize = 8;
const REQUEST_BYTES: u64 = 64 << 10;
const ANSWER_BYTES: u64 = 16 << 20;
const SILENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
