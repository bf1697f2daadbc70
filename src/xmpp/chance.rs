//! Random text for ids that nobody may guess.

/// The random numbers of one login, asked of the system for several uses at once.
#[derive(Default)]
pub(super) struct Chance {
    drawn: Vec<[u8; 16]>,
}

impl Chance {
    /// 128 random bits as text that is fit for stream ids, nonces and resources. Each is given out once.
    pub(super) fn text(&mut self) -> String {
        let bytes = self.drawn.pop().unwrap_or_else(|| self.draw());
        let digit = |half: u8| char::from(DIGITS[usize::from(half & 15)]);
        bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
    }

    /// A whole login with SCRAM takes two stream ids, a nonce and often a resource.
    fn draw(&mut self) -> [u8; 16] {
        let mut bytes = [[0; 16]; 4];
        if getrandom::fill(bytes.as_flattened_mut()).is_err() {
            tracing::error!("the system has no random numbers");
        }
        let [first, rest @ ..] = bytes;
        self.drawn.extend(rest);
        first
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";
