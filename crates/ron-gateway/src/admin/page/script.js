"use strict";

// Polls every two seconds. The page loads the last 15 minutes from the gateway and keeps as many; after
// a gap, such as a suspended browser, it loads them again.
const EVERY = 2000, KEEP = 900, GAP = 15, MINUTE = 60, SHORT = 10;

// Descriptions of reject reasons; an unknown reason is shown without one.
const REASONS = {
  timeout: "a dial, handshake, read or write exceeded its deadline",
  too_large: "a frame exceeded limits.max_frame_bytes",
  rate_limited: "accept rate exceeded, or a byte rate for the first time",
  peer_limit: "the peer has per_peer.max_conns connections",
  tls: "a handshake failed; the log says why",
  arti_bootstrap: "Tor did not bootstrap in time",
  conn_limit: "all max_conns connections or all descriptors are in use",
  handshake_limit: "too many pending handshakes",
  uid_denied: "the user is not in uds.allow_uids",
  draining: "the gateway is draining",
  busy: "a bounded queue was full",
  upstream: "the dial to the upstream failed",
  denied: "peers.allow or peers.deny rejects the address",
  proxy: "a balancer sent no valid PROXY header, or the peer is no trusted balancer",
  overload: "memory usage reached memory.pressure",
};
const WORDS = { ready: "Ready", degraded: "Degraded", not_ready: "Not ready" };
const WHY = {
  starting: "the address is not bound yet",
  bind_failed: "the address cannot be bound",
  tls: "the certificate or key is unusable",
  arti_bootstrap: "Tor is bootstrapping",
  arti_bootstrap_timeout: "Tor did not bootstrap in time; retrying",
  draining: "stopping; new connections are refused",
  stopped: "stopped",
  overload: "memory usage is high; open connections continue, new ones are refused",
  upstream: "every upstream target failed and rests; connections still try one",
};

const $ = (id) => document.getElementById(id);
const show = (id, text) => { if ($(id).textContent !== text) $(id).textContent = text; };

const count = (n) => n < 1e6 ? Math.round(n).toLocaleString("en") : scaled(n, 1000, ["", " thousand", " million", " billion", " trillion"]);
const bytes = (n) => scaled(n, 1024, [" B", " KiB", " MiB", " GiB", " TiB", " PiB"]);

function scaled(n, step, units) {
  let at = 0;
  while (n >= step && at < units.length - 1) { n /= step; at += 1; }
  return (at === 0 || n >= 100 ? Math.round(n) : n.toFixed(n < 10 ? 2 : 1)) + units[at];
}

function span(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min " + (s % 60) + " s";
  if (s < 86400) return Math.floor(s / 3600) + " h " + (Math.floor(s / 60) % 60) + " min";
  return Math.floor(s / 86400) + " d " + (Math.floor(s / 3600) % 24) + " h";
}

const date = (seconds) => new Date(seconds * 1000).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });

const bound = (seconds) => seconds === null ? "–" : seconds === Infinity ? "> 10 s"
  : "≤ " + (seconds < 1 ? Math.round(seconds * 1000) + " ms" : seconds + " s");

// Returns the sum of a family, or of its samples with these labels.
function sum(metrics, name, labels = {}) {
  const fits = (sample) => Object.entries(labels).every(([k, v]) => sample[k] === v);
  return (metrics[name] || []).filter(fits).reduce((all, sample) => all + sample.value, 0);
}

const by = (metrics, name, label) => Object.fromEntries((metrics[name] || []).map((s) => [s[label], s.value]));

// Returns handshake buckets between two samples, by backend: [upper bound, cumulative count].
function buckets(metrics, before) {
  const old = {};
  for (const s of before ? before.handshake_latency_seconds_bucket || [] : []) old[s.backend + s.le] = s.value;
  const found = {};
  for (const s of metrics.handshake_latency_seconds_bucket || []) {
    const le = s.le === "+Inf" ? Infinity : Number(s.le);
    (found[s.backend] = found[s.backend] || []).push([le, s.value - (old[s.backend + s.le] || 0)]);
  }
  for (const list of Object.values(found)) list.sort((a, b) => a[0] - b[0]);
  return found;
}

function quantile(list, q) {
  const all = list[list.length - 1][1];
  const hit = all > 0 && list.find((bucket) => bucket[1] >= q * all);
  return hit ? hit[0] : null;
}

// Returns the oldest sample within a number of seconds.
let samples = [];
function ago(seconds) {
  const now = samples[samples.length - 1].now;
  return samples.find((sample) => sample.now >= now - seconds - 0.5);
}

function cell(row, text, kind, note) {
  const td = row.insertCell();
  td.textContent = text;
  if (kind) td.className = kind;
  if (note) {
    const more = document.createElement("span");
    more.className = "note";
    more.textContent = note;
    td.append(more);
  }
}

// Points are [time, value].
function spark(id, points) {
  const [, area, curve] = $(id).children;
  const top = Math.max(1, ...points.map((point) => point[1]));
  const end = samples[samples.length - 1].now;
  const x = (time) => (300 - 300 * (end - time) / KEEP).toFixed(1);
  const line = points.map(([time, value]) => x(time) + " " + (49 - 47 * value / top).toFixed(1)).join("L");
  const drawn = points.length > 1;
  curve.setAttribute("d", drawn ? "M" + line : "");
  area.setAttribute("d", drawn ? "M" + x(points[0][0]) + " 50L" + line + "L300 50Z" : "");
}

function level(element, share, care, alarm) {
  element.className = share >= alarm ? "alarm" : share >= care ? "care" : "";
}

function readiness(status, now) {
  document.body.dataset.state = status.state;
  const word = WORDS[status.state] || status.state;
  show("word", word);
  const tor = status.state !== "ready" && status.arti_bootstrap_progress;
  const done = typeof tor === "number" ? ", " + Math.round(100 * tor) + " % done" : "";
  const why = status.reason ? (WHY[status.reason] || "") + " (" + status.reason + ")" + done + " · " : "";
  show("since", why + "since " + date(status.since) + " · " + span(now - status.since));
  show("version", status.version);
  const { mode, landlock_abi: abi, seccomp } = status.sandbox;
  const parts = (abi ? "Landlock " + abi : "no Landlock") + ", " + (seccomp ? "seccomp" : "no seccomp");
  show("sandbox", mode === "off" ? "off" : parts);
  $("sandbox").className = mode !== "off" && !(abi && seccomp) ? "care" : "";
  const [first] = status.listeners;
  show("what", first.name === null ? service(first) + ", " + first.addresses.join(", ") : status.listeners.length + " listeners");
  listeners(status.listeners);
  document.title = word + " · ron-gateway";
}

const service = (one) => one.mode.replace("_", " ") + " over " + one.backend;

function listeners(all) {
  const named = all.filter((one) => one.name !== null);
  $("listeners-part").hidden = named.length === 0;
  const rows = document.createElement("tbody");
  for (const one of named) {
    const row = rows.insertRow();
    cell(row, one.name);
    cell(row, service(one));
    cell(row, one.addresses.join(", "));
    const care = one.state === "ready" ? "" : one.state === "degraded" ? "care" : "alarm";
    cell(row, (WORDS[one.state] || one.state) + (one.reason ? " (" + one.reason + ")" : ""), care);
  }
  $("listeners").tBodies[0].replaceWith(rows);
  const targets = document.createElement("tbody");
  for (const one of all) {
    one.upstreams.forEach(({ target, available }, index) => {
      const row = targets.insertRow();
      cell(row, (one.name === null ? "" : one.name + " ") + index);
      cell(row, target);
      cell(row, available ? "available" : "rests after a failure", available ? "" : "care");
    });
  }
  $("upstream-part").hidden = targets.rows.length === 0;
  $("upstreams").tBodies[0].replaceWith(targets);
}

function traffic(metrics, accepted) {
  const cap = sum(metrics, "ron_gateway_conns_limit");
  show("conns", count(sum(metrics, "conn_inflight")));
  show("conns-cap", count(accepted) + " of " + count(cap) + " accepted");
  $("conns-bar").style.width = Math.min(100, 100 * accepted / cap) + "%";
  level($("conns-bar"), accepted / cap, 0.8, 1);
  const backends = Object.entries(by(metrics, "conn_inflight", "backend")).sort();
  show("conns-by", backends.map(([name, n]) => name + " " + count(n)).join(" · "));
  spark("conns-spark", samples.map((s) => [s.now, sum(s.metrics, "conn_inflight")]));
  const now = samples[samples.length - 1];
  for (const way of ["in", "out"]) {
    const total = (s) => sum(s.metrics, "bytes_" + way + "_total");
    const rate = (from, to) => (total(to) - total(from)) / (to.now - from.now);
    const from = ago(SHORT);
    show(way, from === now ? "–" : bytes(rate(from, now)) + "/s");
    spark(way + "-spark", samples.slice(1).map((s, at) => [s.now, rate(samples[at], s)]));
    show(way + "-total", bytes(sum(metrics, "bytes_" + way + "_total")) + " in total");
  }
}

function rejects(metrics, before) {
  const total = by(metrics, "rejected_total", "reason"), old = by(before, "rejected_total", "reason");
  const late = (reason) => total[reason] - (old[reason] || 0);
  const all = Object.keys(total).reduce((n, reason) => n + late(reason), 0);
  const tried = ["transport_accepts_total", "transport_dials_total"].reduce((n, name) => n + sum(metrics, name) - sum(before, name), 0);
  show("rejects", count(all));
  const share = tried > 0 ? all / tried : 0;
  level($("rejects"), share, 0.01, 0.1);
  show("rejects-share", tried === 0 ? "no accepts or dials" : "of " + count(tried) + " accepts and dials: " + (100 * share).toFixed(share < 0.1 ? 1 : 0) + " %");
  const known = Object.keys(REASONS);
  const seen = Object.keys(total).filter((reason) => total[reason] > 0)
    .sort((a, b) => (known.indexOf(a) + 99) % 99 - (known.indexOf(b) + 99) % 99);
  const body = $("reasons").tBodies[0];
  body.replaceChildren();
  $("reasons").hidden = seen.length === 0;
  for (const reason of seen) {
    const row = body.insertRow();
    cell(row, reason, "", REASONS[reason]);
    cell(row, count(late(reason)), late(reason) > 0 ? "n care" : "n");
    cell(row, count(total[reason]), "n");
  }
}

function handshakes(metrics, before) {
  const body = $("latency").tBodies[0];
  body.replaceChildren();
  let all = 0;
  const ever = by(metrics, "handshake_latency_seconds_count", "backend");
  for (const [backend, list] of Object.entries(buckets(metrics, before)).sort()) {
    // Skip unused backends.
    if (ever[backend] === 0) continue;
    const n = list[list.length - 1][1];
    all += n;
    const row = body.insertRow();
    cell(row, backend);
    for (const q of [0.5, 0.95, 0.99]) cell(row, bound(quantile(list, q)), "n");
    cell(row, count(n), "n");
  }
  $("latency").hidden = body.rows.length === 0;
  show("shakes", count(all));
}

function peers(metrics, near) {
  const most = Math.max(0, ...Object.values(by(metrics, "peer_conns_max", "backend")));
  const cap = sum(metrics, "ron_gateway_peer_conns_limit");
  show("peers", count(sum(metrics, "peers_tracked")));
  show("peer-most", count(most));
  show("peer-cap", cap > 0 ? count(cap) : "none");
  show("peer-near", near === null ? "–" : count(near));
  $("peer-near").className = near > 0 ? "care" : "";
}

function certificate(metrics, now) {
  const ends = sum(metrics, "tls_certificate_expiry_timestamp_seconds");
  const days = Math.floor((ends - now) / 86400);
  show("cert", !ends ? "none" : ends < now ? "expired" : days < 1 ? "expires today" : days + (days === 1 ? " day left" : " days left"));
  show("cert-note", ends ? "until " + date(ends) : "no certificate in use");
  $("cert").className = "big" + (ends && days < 14 ? ends < now || days < 3 ? " alarm" : " care" : "");
}

function process(metrics, before, seconds) {
  const limit = (metrics.process_max_fds || [{ value: null }])[0].value;
  const open = sum(metrics, "process_open_fds");
  show("fds", count(open) + (limit === null ? "" : " of " + count(limit)));
  $("fds").className = limit !== null && open / limit > 0.8 ? "alarm" : "";
  show("memory", bytes(sum(metrics, "process_resident_memory_bytes")));
  const used = sum(metrics, "process_cpu_seconds_total") - sum(before, "process_cpu_seconds_total");
  show("cpu", seconds > 0 ? (100 * used / seconds).toFixed(1) + " % of a core" : "–");
  const refused = sum(metrics, "transport_reloads_total", { result: "rejected" });
  show("reloads", sum(metrics, "transport_reloads_total", { result: "ok" }) + " applied, " + refused + " rejected");
  $("reloads").className = refused > 0 ? "care" : "";
}

let configAt = null;
async function configuration(metrics, first) {
  const at = first.started + " " + sum(metrics, "transport_reloads_total");
  if (at === configAt) return;
  const config = await ask("/status/config.json");
  const [set, rest] = [$("config").tBodies[0], $("config-rest").tBodies[0]];
  set.replaceChildren();
  rest.replaceChildren();
  for (const [table, entries] of Object.entries(config).sort().reverse()) {
    for (const { key, value, source } of entries) {
      const row = (/default$/.test(source) ? rest : set).insertRow();
      if (/default$/.test(source)) row.className = "default";
      const name = document.createElement("code");
      name.textContent = (table === "transport" ? "" : table + ".") + key;
      row.insertCell().append(name);
      cell(row, value || "none");
      cell(row, source, "note");
    }
  }
  show("defaults", String(rest.rows.length));
  configAt = at;
}

async function ask(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(5000) });
  if (!answer.ok) throw new Error(path + " returned " + answer.status);
  return answer.json();
}

// Loads the samples of the gateway, in the format of this page.
async function past() {
  const { started, series, samples } = await ask("/status/history.json");
  return samples.map(([now, ...values]) => {
    const metrics = {};
    series.forEach(([name, labels], at) => {
      (metrics[name] = metrics[name] || []).push({ ...labels, value: values[at] || 0 });
    });
    return { now, started, metrics };
  });
}

async function keep(sample) {
  const last = samples[samples.length - 1];
  const goesOn = last && sample.started === last.started && sample.now - last.now < GAP;
  const before = goesOn ? samples : await past();
  // Drop samples of another process: its counters restarted.
  const fits = (s) => s.started === sample.started && s.now < sample.now && s.now > sample.now - KEEP;
  samples = [...before.filter(fits), sample];
}

let answered = null;
async function look() {
  try {
    const [status, sample] = await Promise.all([ask("/status"), ask("/status/metrics.json")]);
    const { now, metrics } = sample;
    await keep(sample);
    const before = ago(MINUTE);
    readiness(status, now);
    show("up", span(now - sample.started));
    traffic(metrics, sample.accepted);
    rejects(metrics, before.metrics);
    handshakes(metrics, before.metrics);
    peers(metrics, sample.peers_near_cap);
    certificate(metrics, now);
    process(metrics, before.metrics, now - before.now);
    await configuration(metrics, sample);
    answered = Date.now();
    $("stale").hidden = true;
    delete document.body.dataset.stale;
  } catch (error) {
    const silent = answered === null ? Infinity : Date.now() - answered;
    if (silent > 3 * EVERY) {
      show("stale", "No response from the gateway" + (answered === null ? "." : "; these data are " + span(silent / 1000) + " old."));
      $("stale").hidden = false;
      document.body.dataset.stale = "";
      document.title = "No response · ron-gateway";
    }
  }
  setTimeout(look, EVERY);
}
look();
