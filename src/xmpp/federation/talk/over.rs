//! What becomes of a stream that is over: it goes on on another connection (XEP-0198 §5), or what it carried goes back to
//! its link.

use std::mem;

use tokio::sync::mpsc;
use tracing::debug;

use super::{End, News, Talk};
use crate::{
    net::{ShutdownSignal, Tasks},
    xmpp::{
        federation::{
            custody::{Custody, parse_count},
            print,
            resumption::Left,
        },
        stanza::Stanza,
        stream::{Condition, print_failed},
    },
};

impl Talk {
    pub(super) async fn finish(mut self, end: End, mut news: mpsc::Receiver<News>, signal: &ShutdownSignal) {
        // Nobody is left to hear what becomes of its keys.
        self.questions = Tasks::new();
        self.take_leave(&end).await;
        self.wire = None;
        self.entered.iter().for_each(|link| link.leave());
        if let Some(link) = self.link.as_ref().filter(|_| self.custody.is_wanted()) {
            // Who ends the stream in place of an answer does not know how to.
            link.note_acknowledges(false);
        }
        let claim = match end {
            End::Claimed(claim) => Some(claim),
            End::Gone => None,
            End::Quiet | End::Error(_) => return self.give_up(news).await,
        };
        if self.custody.is_barren() {
            return self.give_up(news).await;
        }
        if let (Some(berth), Some(place)) = (self.berth.take(), self.entered.first().cloned()) {
            self.settle(&mut news).await;
            let left = Left { custody: self.take_custody(), link: self.link.take(), berth };
            let left = match claim {
                Some(claim) => claim.send(left).err(),
                None => Some(left),
            };
            if let Some(left) = left {
                debug!(pair = %place.pair, "connection lost, the other server may go on with the stream");
                left.wait(&self.shared, &place, signal).await;
            }
        } else if self.custody.has_id() && (!self.proved.is_empty() || !self.custody.is_empty()) {
            self.settle(&mut news).await;
            let custody = self.take_custody();
            if let Some(link) = &self.link {
                debug!(pair = %link.pair, "connection lost, the stream is to go on");
                link.keep_broken(custody);
            }
        }
        self.give_up(news).await;
    }

    fn take_custody(&mut self) -> Custody {
        mem::replace(&mut self.custody, Custody::new(&self.shared.config))
    }

    /// Says why the stream ends.
    async fn take_leave(&mut self, end: &End) {
        let mut last = Vec::new();
        match end {
            End::Gone | End::Claimed(_) => {}
            End::Quiet => last.extend_from_slice(b"</stream:stream>"),
            End::Error(error) => {
                debug!(condition = error.condition.name(), text = error.text, "stream closed");
                if !self.has_header {
                    let local = self.shared.accounts.domains().first().map_or("", |domain| domain.domain());
                    print::header(local, None, Some("0"), &mut last);
                }
                error.print(&mut last);
            }
        }
        if !last.is_empty() {
            let _ = self.write(&last).await;
        }
        if let Some(wire) = &mut self.wire {
            wire.close().await;
        }
    }

    /// Waits until all that came in is dealt with, so that it is known how much.
    async fn settle(&mut self, news: &mut mpsc::Receiver<News>) {
        while !self.custody.is_settled() && !self.tasks.is_empty() {
            tokio::select! {
                Some(news) = news.recv() => self.note_settled(&news),
                () = self.tasks.reap() => {}
            }
        }
        while let Ok(news) = news.try_recv() {
            self.note_settled(&news);
        }
    }

    fn note_settled(&mut self, news: &News) {
        if let News::Settled(ticket) = news {
            let _ = self.custody.note_settled(*ticket);
        }
    }

    /// What the stream carried finds another way.
    async fn give_up(mut self, news: mpsc::Receiver<News>) {
        // Whoever still has something to tell must not wait for somebody to listen.
        drop(news);
        let unacknowledged = self.custody.end();
        if let Some(link) = self.link.take() {
            link.give_back(unacknowledged);
            if link.end() {
                self.shared.links.seek(link);
            }
        }
        // What was passed on here has its fate, whatever becomes of the stream.
        while !self.tasks.is_empty() {
            self.tasks.reap().await;
        }
    }

    /// The other server goes on with a stream that it opened and whose connection broke.
    pub(super) async fn resume(&mut self, element: &Stanza) -> Result<(), End> {
        let (Some(id), Some(count)) = (element.attribute("previd"), parse_count(element)) else {
            return Err(Condition::BadFormat.into());
        };
        let proved = self.reception.as_ref().map(|reception| reception.proved().to_vec()).unwrap_or_default();
        let Some(left) = self.shared.berths.claim(&id, &proved).await else {
            return self.write(&print_failed("item-not-found")).await;
        };
        let goes_both_ways = self.reception.as_ref().is_some_and(|reception| reception.is_bidirectional);
        if left.link.is_some() && (self.link.is_some() || !goes_both_ways) {
            left.give_up(&self.shared.links);
            return self.write(&print_failed("item-not-found")).await;
        }
        debug!("the other server goes on with an earlier stream");
        let Left { custody, link, berth } = left;
        self.custody = custody;
        self.link = link.or_else(|| self.link.take());
        self.berth = Some(berth);
        let answer = self.custody.resume(&id, count, std::time::Instant::now())?;
        self.note_room();
        self.write(&answer).await
    }
}
