//! Requests of one phone that are on their way, several at a time.

use std::collections::HashMap;

use anyhow::bail;

use super::{
    agent::{Agent, RETRANSMIT_MS},
    text::{Request, cseq, status},
};
use crate::measure::{now_ns, since_us};

/// By CSeq number.
#[derive(Default)]
pub struct Flights(HashMap<u32, Flight>);

struct Flight {
    request: Request,
    text: String,
    sent: u64,
}

/// What a response meant.
pub enum Landing {
    /// A request succeeded that was sent at this time.
    Done(u64),
    /// Nothing of interest, or a challenge that was answered.
    None,
}

impl Flights {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub async fn send(&mut self, agent: &mut Agent, request: Request) -> anyhow::Result<()> {
        let text = agent.print_request(&request);
        agent.send(&text).await?;
        self.0.insert(agent.cseq, Flight { request, text, sent: now_ns() });
        Ok(())
    }

    /// # Errors
    /// A final response that is neither a success nor a challenge.
    pub async fn handle_response(&mut self, agent: &mut Agent, message: &str) -> anyhow::Result<Landing> {
        let code = status(message);
        if code < 200 {
            return Ok(Landing::None);
        }
        let Some(flight) = self.0.remove(&cseq(message)) else { return Ok(Landing::None) };
        match code {
            200..=299 => Ok(Landing::Done(flight.sent)),
            401 | 407 => {
                agent.handle_challenge(message)?;
                self.send(agent, flight.request).await?;
                Ok(Landing::None)
            }
            _ => bail!("{} was answered {message}", flight.request.method),
        }
    }

    /// Sends again what got no answer in time.
    pub async fn send_again(&mut self, agent: &mut Agent) -> anyhow::Result<()> {
        for flight in self.0.values_mut() {
            if u64::from(since_us(flight.sent)) > RETRANSMIT_MS * 1000 {
                agent.send_again(&flight.text).await?;
            }
        }
        Ok(())
    }
}
