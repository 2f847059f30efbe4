//! The writer task of a framed connection, and its bounded inbox.

use std::io::{self, IoSlice};
use std::sync::atomic::Ordering;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, OwnedSemaphorePermit, Semaphore};
use transport_core::{Direction, Queue, Reason, TaskKind, TransportError};

use crate::control::Control;

use super::inbox_memory::{InboxHold, InboxMemory};
use super::reader::HEADER;

/// The inbox holds at most this many times `max_frame_bytes`.
const INBOX_FRAMES_OF_MAX: usize = 4;
/// Most frames of one vectored write.
const BATCH: usize = 16;

/// A frame in the inbox, counted until it is dropped.
#[derive(Debug)]
struct QueuedFrame {
    frame: Bytes,
    control: Control,
    // After the frame, so that it is dropped after it.
    _stored: InboxHold,
    _room: OwnedSemaphorePermit,
}

impl QueuedFrame {
    fn new(frame: Bytes, control: &Control, room: OwnedSemaphorePermit, stored: InboxHold) -> Self {
        let activity = &control.0.activity;
        activity.inbox_frames.fetch_add(1, Ordering::Relaxed);
        activity.frame(Direction::Out);
        // The idle timeout gives the writer task time to write it.
        activity.touch(control.0.core.now());
        control.0.core.observer().queue_depth(Queue::WriterInbox, 1);
        Self {
            frame,
            control: control.clone(),
            _stored: stored,
            _room: room,
        }
    }
}

impl Drop for QueuedFrame {
    fn drop(&mut self) {
        self.control
            .0
            .activity
            .inbox_frames
            .fetch_sub(1, Ordering::Relaxed);
        self.control
            .0
            .core
            .observer()
            .queue_depth(Queue::WriterInbox, -1);
    }
}

/// Queues frames for a connection's writer task. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FrameSender {
    control: Control,
    inbox: mpsc::Sender<QueuedFrame>,
    room: Arc<Semaphore>,
    memory: InboxMemory,
}

impl FrameSender {
    pub(super) fn spawn<W>(io: W, control: Control) -> Self
    where
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let settings = &control.0.settings;
        let (inbox, frames) = mpsc::channel(settings.inbox);
        let room = Arc::new(Semaphore::new(INBOX_FRAMES_OF_MAX * settings.max_frame));
        let sender = Self {
            control: control.clone(),
            inbox,
            room: Arc::clone(&room),
            memory: InboxMemory::default(),
        };
        let tasks = control.0.core.tasks().clone();
        tasks.spawn(TaskKind::Writer, async move {
            let result = tokio::select! {
                biased;
                ended = control.ended() => Err(ended.into()),
                result = run(io, frames) => result,
            };
            if result.is_err() && control.is_ended() {
                control.0.core.tasks().aborted(TaskKind::Writer);
            } else if result.is_err() {
                // The stream keeps the reason; the cancel ends the reader.
                control.cancel();
            }
            room.close();
        });
        sender
    }

    /// Queues a frame; waits for room in inbox and memory budget.
    ///
    /// One frame of up to `chunk_bytes` of the connection at a time needs no room in the budget. Larger
    /// frames without room get through one at a time over all connections, in their order.
    ///
    /// # Errors
    /// [`TransportError::TooLarge`] over `max_frame_bytes`, [`TransportError::Closed`] after the
    /// connection has ended.
    ///
    /// # Cancel safety
    /// Cancel-safe: a dropped call queues nothing.
    pub async fn send(&self, frame: Bytes) -> Result<(), TransportError> {
        let cost = self.cost(&frame)?;
        let room = Arc::clone(&self.room).acquire_many_owned(cost).await;
        let room = room.map_err(|_| TransportError::Closed)?;
        let place = self
            .inbox
            .reserve()
            .await
            .map_err(|_| TransportError::Closed)?;
        let stored = match self.memory.take(&self.control.0, &frame) {
            Some(stored) => stored,
            None => {
                // The connection owes this frame.
                let _busy = self.control.busy();
                tokio::select! {
                    biased;
                    () = self.inbox.closed() => return Err(TransportError::Closed),
                    stored = self.memory.wait(&self.control.0, frame.len()) => stored,
                }
            }
        };
        place.send(QueuedFrame::new(frame, &self.control, room, stored));
        Ok(())
    }

    /// Queues a frame if inbox and memory budget have room now.
    ///
    /// A refused frame is counted.
    ///
    /// # Errors
    /// [`TransportError::Busy`] with a full inbox or without memory,
    /// [`TransportError::RateLimited`] while the writer waits for tokens, and as
    /// [`send`](Self::send).
    pub fn try_send(&self, frame: Bytes) -> Result<(), TransportError> {
        let cost = self.cost(&frame)?;
        if self.inbox.is_closed() {
            return Err(TransportError::Closed);
        }
        if let Some(scope) = self.control.0.parked(Direction::Out) {
            return Err(self.refuse(TransportError::RateLimited { scope }));
        }
        let busy = |_| self.refuse(TransportError::Busy);
        let room = Arc::clone(&self.room)
            .try_acquire_many_owned(cost)
            .map_err(busy)?;
        match self.inbox.try_reserve() {
            Ok(place) => {
                let Some(stored) = self.memory.take(&self.control.0, &frame) else {
                    return Err(self.refuse(TransportError::Busy));
                };
                place.send(QueuedFrame::new(frame, &self.control, room, stored));
                Ok(())
            }
            Err(mpsc::error::TrySendError::Full(())) => Err(self.refuse(TransportError::Busy)),
            Err(mpsc::error::TrySendError::Closed(())) => Err(TransportError::Closed),
        }
    }

    /// Returns the number of frames queued and not yet written.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.control.0.activity.inbox_frames.load(Ordering::Relaxed) as usize
    }

    /// Returns the inbox room of a frame, unless it is too large.
    fn cost(&self, frame: &Bytes) -> Result<u32, TransportError> {
        let max = self.control.0.settings.max_frame;
        let fits = u32::try_from(frame.len())
            .ok()
            .filter(|_| frame.len() <= max);
        fits.ok_or_else(|| {
            let error = TransportError::TooLarge {
                len: frame.len() as u64,
                max: max as u64,
            };
            self.control.0.reject(Reason::TooLarge, &error);
            error
        })
    }

    fn refuse(&self, error: TransportError) -> TransportError {
        let conn = &self.control.0;
        if let Some(reason) = error.reason() {
            conn.reject(reason, &error);
        }
        conn.core.observer().queue_dropped(Queue::WriterInbox);
        error
    }
}

/// Writes until every sender is dropped. It flushes whenever the inbox is empty.
async fn run<W: AsyncWrite + Unpin>(
    mut io: W,
    mut frames: mpsc::Receiver<QueuedFrame>,
) -> io::Result<()> {
    let mut batch = Vec::new();
    while frames.recv_many(&mut batch, BATCH).await != 0 {
        write_batch(&mut io, &batch).await?;
        if frames.is_empty() {
            io.flush().await?;
        }
        // Counted as sent only after the flush, which a drain waits for.
        batch.clear();
    }
    io.shutdown().await
}

/// Writes headers and bodies of a batch in few calls.
async fn write_batch<W: AsyncWrite + Unpin>(io: &mut W, batch: &[QueuedFrame]) -> io::Result<()> {
    // A queued frame's length was checked: it fits the header.
    let header = |q: &QueuedFrame| {
        u32::try_from(q.frame.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes()
    };
    let headers: Vec<[u8; HEADER]> = batch.iter().map(header).collect();
    let parts = headers
        .iter()
        .zip(batch)
        .flat_map(|(h, q)| [&h[..], &q.frame[..]]);
    let parts: Vec<&[u8]> = parts.filter(|part| !part.is_empty()).collect();
    let (mut at, mut skip) = (0, 0);
    while at < parts.len() {
        let mut slices = [IoSlice::new(&[]); 2 * BATCH];
        let mut used = 0;
        for (slice, part) in slices.iter_mut().zip(&parts[at..]) {
            let from = if used == 0 { skip } else { 0 };
            *slice = IoSlice::new(&part[from..]);
            used += 1;
        }
        let mut written = io.write_vectored(&slices[..used]).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        written += skip;
        while at < parts.len() && written >= parts[at].len() {
            written -= parts[at].len();
            at += 1;
        }
        skip = written;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
