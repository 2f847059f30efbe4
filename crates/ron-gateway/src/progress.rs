//! The progress bar of Tor's bootstrap, on stderr.

use std::io::{stderr, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use ron_transport::{ReadyReason, ReadyState, Transport};
use tokio::time::sleep;

/// Interval between redraws.
const EVERY: Duration = Duration::from_millis(100);
/// Width of the bar, in characters.
const WIDTH: u8 = 30;

/// Shows every bootstrap of the transport, if stderr is a terminal.
pub(crate) async fn show(transport: &Arc<Transport>) {
    if !stderr().is_terminal() {
        return;
    }
    let _cleared = ClearOnDrop;
    let mut readiness = transport.readiness();
    loop {
        while is_bootstrapping(*readiness.borrow_and_update()) {
            draw(&bar(transport.tor_progress().unwrap_or_default()));
            sleep(EVERY).await;
        }
        draw("");
        if readiness
            .wait_for(|state| is_bootstrapping(*state))
            .await
            .is_err()
        {
            return;
        }
    }
}

/// Clears the bar when dropped.
struct ClearOnDrop;

impl Drop for ClearOnDrop {
    fn drop(&mut self) {
        draw("");
    }
}

fn is_bootstrapping(state: ReadyState) -> bool {
    matches!(
        state.reason(),
        Some(ReadyReason::ArtiBootstrap | ReadyReason::ArtiBootstrapTimeout)
    )
}

/// Draws a line and returns the cursor to its start.
///
/// The next log line then overwrites the bar.
fn draw(text: &str) {
    let line = format!("\r\x1b[2K{text}\r");
    let mut out = stderr().lock();
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}

fn bar(fraction: f64) -> String {
    let fraction = fraction.clamp(0.0, 1.0);
    let cell = |at| {
        let full = f64::from(at) < fraction * f64::from(WIDTH);
        if full {
            '#'
        } else {
            '-'
        }
    };
    let cells: String = (0..WIDTH).map(cell).collect();
    format!("tor [{cells}] {:>3.0} %", fraction * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bar_fills_and_never_overflows() {
        assert_eq!(
            bar(0.5),
            format!("tor [{}{}]  50 %", "#".repeat(15), "-".repeat(15))
        );
        assert!(bar(1.0).ends_with("#] 100 %"));
        for odd in [f64::NAN, -1.0, 7.0] {
            let cells = bar(odd).matches(['#', '-']).count();
            assert_eq!(cells, usize::from(WIDTH), "{odd}");
        }
    }
}
