//! An upstream with another application protocol than intended.

use super::Drill;
use crate::case::{ensure, Case, Outcome};
use ron_lab::client::{connect, ended, ping};
use ron_lab::Gateway;
use ron_lab::Lab;

pub(super) const MISMATCH: Drill = Drill {
    name: "alpn-mismatch",
    fault: "the dialer offers a protocol that the upstream supports, but not the intended one; then one it does not support",
    expected: "`alpn` of event=dial names the wrong protocol; without a common one rejected_total{reason=\"tls\"} at both ends",
    cure: "pin tls_client.alpn, by reload",
    quick: true,
    run: mismatch,
};

fn mismatch(lab: &Lab, case: &mut Case) -> Outcome {
    let upstream = lab
        .tls()
        .args(["--transport.tls.alpn", "oap/1,http/1.1"])
        .spawn()?;
    let target = format!("tls://localhost:{}", upstream.addr.port());
    let file = alpn(lab, "http/1.1")?;
    let front = lab.gateway().config(&file).args(["--forward", &target]);
    let front = front
        .args(["--gateway.log.level", "debug"])
        .args(lab.trust())
        .spawn()?;
    case.fault();
    served(&front)?;
    dialed(&front, "http/1.1")?;
    case.signal("event=dial alpn=http/1.1 where oap/1 is meant, no reject");
    ensure(front.scrape()?.rejects() < 0.5, || {
        "the wrong protocol counts as a reject".into()
    })?;

    alpn(lab, "h2")?;
    front.reload("ok")?;
    let mut conn = connect(front.addr).map_err(|e| e.to_string())?;
    ensure(ended(&mut conn), || {
        "served without a common protocol".into()
    })?;
    front.until("the reject", |now| now.rejected("tls") >= 1.0)?;
    upstream.until("the upstream's reject", |now| now.rejected("tls") >= 1.0)?;
    let why = front.logs_reject("tls", "")?;
    case.note(format!(
        "no common protocol: reason=tls \"{why}\" at both ends"
    ));

    case.cure();
    alpn(lab, "oap/1")?;
    front.reload("ok")?;
    served(&front)?;
    dialed(&front, "oap/1")?;
    case.recovered("event=dial alpn=oap/1");
    front.stop()?;
    upstream.stop()?;
    Ok(())
}

fn alpn(lab: &Lab, name: &str) -> Result<String, String> {
    lab.write(
        "gateway.toml",
        &format!("[transport]\ntls_client.alpn = ['{name}']\n"),
    )
}

fn served(front: &Gateway) -> Result<(), String> {
    let conn = connect(front.addr).and_then(|mut conn| ping(&mut conn, 1024));
    conn.map(drop).map_err(|e| e.to_string())
}

fn dialed(front: &Gateway, alpn: &str) -> Result<(), String> {
    front.logs("dial", |event| event["alpn"] == alpn).map(drop)
}
