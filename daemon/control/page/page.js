// The status page. It asks for the status when an event says that something has happened, and at most twice a second.
//
// Rule 1: what comes from outside is text, never markup.
// Rule 2: an action that moves money is typed, not clicked.
// Rule 3: when copierd is not reached the page says so, and since when: an old picture must not look like a new one.

const AT_MOST_EVERY = 500; // milliseconds between two looks
const AT_LEAST_EVERY = 15000; // also when nothing is told
const COPIES = 30;
const EVENTS = 100;

const $ = (id) => document.getElementById(id);
let status = null;
let skew = 0; // milliseconds by which copierd's clock is ahead of this one
let asking = false;
let wanted = true;
let asked = 0;
let lostAt = null;

// --- looking

async function get(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${path}: HTTP ${answer.status}`);
  return answer.json();
}

async function look() {
  asking = true;
  wanted = false;
  asked = Date.now();
  try {
    const [now, copies] = await Promise.all([get("v1/status"), get(`v1/copies?limit=${COPIES}`)]);
    status = now;
    skew = Date.parse(now.now) - Date.now();
    reached();
    showAccounts();
    showPositions();
    showCopies(copies.copies);
  } catch (error) {
    lost(error);
    wanted = true;
  } finally {
    asking = false;
  }
}

function beat() {
  const due = wanted ? asked + AT_MOST_EVERY : asked + AT_LEAST_EVERY;
  if (!asking && Date.now() >= due) look();
}

function reached() {
  lostAt = null;
  $("link").dataset.live = "yes";
  put($("link"), "live");
}

function lost(error) {
  console.info("copierd is not reached", error);
  lostAt ??= Date.now();
  $("link").dataset.live = "no";
}

// --- showing

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function element(kind, text, style) {
  const made = document.createElement(kind);
  if (text !== undefined) made.textContent = text;
  if (style) made.className = style;
  return made;
}

// Keeps rows by their key, so that what has focus keeps it and only what changed is drawn.
function rows(body, wantedRows) {
  const known = new Map([...body.children].map((row) => [row.dataset.key, row]));
  let before = null;
  for (const { key, cells, made } of wantedRows) {
    let row = known.get(key);
    if (row === undefined) {
      row = element("tr");
      row.dataset.key = key;
      cells.forEach(({ label, head, style }) => {
        const cell = element(head ? "th" : "td", "", style);
        if (head) cell.scope = "row";
        else if (label) cell.dataset.label = label;
        row.append(cell);
      });
      if (made) made(row);
    }
    known.delete(key);
    cells.forEach(({ text, style }, place) => {
      const cell = row.children[place];
      if (text !== undefined) put(cell, text);
      if (style !== undefined && cell.className !== style) cell.className = style;
    });
    const place = before === null ? body.firstChild : before.nextSibling;
    if (row !== place) body.insertBefore(row, place);
    before = row;
  }
  for (const row of known.values()) row.remove();
}

function period(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "m"]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)}${unit}`;
  }
  return `${seconds}s`;
}

const clock = (instant) => new Date(instant).toLocaleTimeString([], { hour12: false });
const signed = (net) => (net > 0 ? `+${net}` : `${net}`);
const held = (positions) => Object.entries(positions).map(([symbol, net]) => `${symbol} ${signed(net)}`).join(", ");

function why(account) {
  const words = [];
  if (account.state !== "Connected" && account.reason) words.push(account.reason);
  if (account.holding) words.push(account.holding);
  for (const bare of account.unprotected) words.push(`NO STOP for ${bare.quantity} ${bare.symbol}: ${bare.why}`);
  for (const odd of account.quarantined) words.push(`${odd.symbol}: ${signed(odd.theirs)} not ours (${odd.remedy})`);
  if (account.close_only) words.push(account.close_only);
  for (const reason of Object.values(account.barred)) if (reason !== account.close_only) words.push(reason);
  if (account.locked) words.push(`locked until ${clock(account.locked.until)}: ${account.locked.reason}`);
  for (const [symbol, reason] of Object.entries(account.waiting)) words.push(`${symbol}: ${reason}`);
  const said = ["reconnecting", "disconnected", "token-expired", "holding", "close-only", "quarantined", "locked"];
  words.push(...account.blocked_by.filter((word) => !said.includes(word) && !(word in account.barred)));
  if (account.pending_config) words.push("a changed configuration waits until the leader is flat");
  if (account.remedy && account.state !== "Connected") words.push(account.remedy);
  return words.join("; ");
}

function showAccounts() {
  const counts = new Map();
  for (const { state } of status.accounts) counts.set(state, (counts.get(state) ?? 0) + 1);
  put($("summary"), [...counts].map(([state, count]) => `${count} ${state}`).join(", "));
  document.title = status.accounts.every((one) => one.state === "Connected") ? "copierd" : `! ${$("summary").textContent}`;
  rows($("accounts").tBodies[0], status.accounts.map((account) => ({
    key: account.account,
    cells: [
      { text: account.account, head: true },
      { text: account.state, style: `state ${account.colour}`, label: "" },
      { style: "moment", label: "since" },
      { style: "moment", label: "next try" },
      { text: held(account.positions), label: "positions" },
      { text: why(account), label: "", style: account.unprotected.length ? "odd" : "" },
      { label: "" },
    ],
    made: (row) => row.lastChild.append(buttons(account)),
  })));
  for (const account of status.accounts) arm(account);
  const about = [`copierd ${status.version}`, `last stop ${status.last_stop}`];
  const took = status.latency_ms;
  if (took.count) about.push(`${took.count} requests sent within ${took.p50} ms (p50), ${took.p99} ms (p99)`);
  put($("about"), about.join(", "));
  tick();
}

function tick() {
  if (lostAt !== null) put($("link"), `copierd is not reached, since ${period(Date.now() - lostAt)}: what is shown is old`);
  if (status === null) return;
  const now = Date.now() + skew;
  for (const account of status.accounts) {
    const row = $("accounts").querySelector(`tr[data-key="${account.account}"]`);
    if (row === null) continue;
    put(row.children[2], period(now - Date.parse(account.since)));
    const next = account.next_attempt_at ?? account.until;
    put(row.children[3], next ? period(Date.parse(next) - now) : "");
  }
}

function showPositions() {
  const place = $("positions");
  const all = new Map(status.accounts.map((account) => [account.account, account]));
  const tables = status.copies.map((copy) => {
    const members = [copy.leader, ...copy.followers].filter((name) => all.has(name));
    const symbols = [...new Set(members.flatMap((name) => Object.keys(all.get(name).positions)))].sort();
    return { copy, members, symbols };
  });
  const shape = JSON.stringify(tables.map(({ copy, members, symbols }) => [copy.copy, members, symbols]));
  if (place.dataset.shape !== shape) {
    place.dataset.shape = shape;
    place.replaceChildren(...tables.map(({ copy, members, symbols }) => positionsTable(copy, members, symbols)));
  }
  for (const cell of place.querySelectorAll("td[data-account]")) {
    put(cell, signed(all.get(cell.dataset.account)?.positions[cell.dataset.symbol] ?? 0));
  }
}

function positionsTable(copy, members, symbols) {
  const table = element("table");
  table.append(element("caption", `${copy.copy}: ${copy.leader} leads, mode ${copy.mode}`, "soft"));
  const head = table.createTHead().insertRow();
  for (const name of ["account", ...symbols]) {
    const cell = element("th", name, name === "account" ? "" : "number");
    cell.scope = "col";
    head.append(cell);
  }
  const body = table.createTBody();
  for (const name of members) {
    const row = body.insertRow();
    const cell = element("th", name === copy.leader ? `${name} (leader)` : name);
    cell.scope = "row";
    row.append(cell);
    for (const symbol of symbols) {
      const figure = element("td", "", "figure");
      Object.assign(figure.dataset, { account: name, symbol, label: symbol });
      row.append(figure);
    }
  }
  return table;
}

const PAINT = { filled: "green", working: "green", rejected: "red", expired: "red", unknown: "odd", skipped: "yellow" };

function showCopies(copies) {
  rows($("copies").tBodies[0], copies.map((copy) => {
    const price = copy.price ?? copy.stop_price;
    const kind = copy.order_type ? ` ${copy.order_type}${price === null ? "" : ` ${price}`}` : "";
    const size = copy.quantity === null ? "" : ` ${copy.quantity}`;
    return {
      key: `${copy.follower} ${copy.id}`,
      cells: [
        { text: clock(copy.decided_at), style: "moment", label: "" },
        { text: copy.follower, label: "" },
        { text: `${copy.verb} ${copy.action}${size} ${copy.symbol}${kind}`, label: "" },
        { text: copy.outcome, style: PAINT[copy.outcome] ?? "", label: "" },
        { text: copy.latency_ms === null ? "" : copy.latency_ms.toFixed(1), style: "figure", label: "ms" },
        { text: copy.reason ?? "", label: "" },
      ],
    };
  }));
}

function showEvent(event) {
  if (event.event === "state") return;
  const list = $("events");
  const line = element("li");
  const remedy = event.remedy ? `. ${event.remedy}` : "";
  line.append(
    element("span", clock(event.at), "moment soft"),
    element("span", event.event, event.severity),
    element("span", `${event.detail}${remedy}`),
  );
  list.prepend(line);
  while (list.children.length > EVENTS) list.lastChild.remove();
}

// --- acting

function button(text, verb, style) {
  const made = element("button", text, style);
  made.type = "button";
  made.dataset.verb = verb;
  return made;
}

function buttons(account) {
  const bar = element("div", undefined, "bar");
  const name = account.account;
  const made = account.role === "leader" ? [] : [button("Pause", "pause"), button("Flatten …", "flatten", "grave")];
  made.push(button("Reconnect", "reconnect"));
  for (const one of made) {
    one.setAttribute("aria-label", `${one.textContent} ${name}`);
    one.addEventListener("click", () => act(name, one.dataset.verb));
  }
  bar.append(...made);
  return bar;
}

// Pause becomes Resume while the account is paused.
function arm(account) {
  const pause = $("accounts").querySelector(`tr[data-key="${account.account}"] button[data-verb="pause"], tr[data-key="${account.account}"] button[data-verb="resume"]`);
  if (pause === null) return;
  pause.dataset.verb = account.paused ? "resume" : "pause";
  put(pause, account.paused ? "Resume" : "Pause");
  pause.setAttribute("aria-label", `${pause.textContent} ${account.account}`);
}

async function act(name, verb) {
  const words = {
    flatten: `Everything that was copied to ${name} is cancelled and closed at market, and ${name} stays paused.`,
    resume: `${name} may open positions again.`,
    pause: `${name} opens nothing more; entries that rest are cancelled. Exits still go.`,
    reconnect: null,
  }[verb];
  if (words !== null && !(await sure(`${verb} ${name}`, words, name))) return;
  await post(`v1/accounts/${encodeURIComponent(name)}/${verb}`, `${verb} ${name}`);
}

async function flattenAll() {
  const names = [...new Set(status.copies.flatMap((copy) => copy.followers))];
  const words = `Everything that was copied is cancelled and closed at market on ${names.length} followers: ${names.join(", ")}.`;
  if (!(await sure("Flatten all followers", words, "flatten all"))) return;
  for (const name of names) await post(`v1/accounts/${encodeURIComponent(name)}/flatten`, `flatten ${name}`);
}

async function post(path, what) {
  let words;
  try {
    const answer = await fetch(path, { method: "POST" });
    const content = await answer.json();
    words = answer.ok ? `${what}: asked for` : `${what}: refused. ${content.detail}${content.remedy ? `. ${content.remedy}` : ""}`;
  } catch (error) {
    words = `${what}: copierd is not reached; nothing was asked for, or nobody knows (${error.message})`;
  }
  say(words);
  wanted = true;
}

let saying;
function say(words) {
  $("said").textContent = words;
  clearTimeout(saying);
  saying = setTimeout(() => { $("said").textContent = ""; }, 12000);
}

function sure(title, words, word) {
  const dialog = $("sure");
  put($("sure-title"), title);
  put($("sure-words"), words);
  put($("sure-word"), word);
  $("sure-typed").value = "";
  $("sure-yes").disabled = true;
  $("sure-typed").oninput = () => { $("sure-yes").disabled = $("sure-typed").value !== word; };
  // Enter in the field is the first button of the form, which is Cancel, unless the word is there.
  $("sure-typed").onkeydown = (key) => {
    if (key.key !== "Enter") return;
    key.preventDefault();
    if (!$("sure-yes").disabled) dialog.close("yes");
  };
  dialog.returnValue = "no";
  dialog.showModal();
  $("sure-typed").focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

// --- beginning

async function begin() {
  let last = null;
  try {
    const { events } = await get("v1/events?limit=50");
    $("events").replaceChildren();
    events.forEach(showEvent);
    last = events.at(-1)?.id ?? null;
  } catch (error) {
    lost(error);
  }
  // A browser takes the stream up again by itself, from the last event that it saw.
  const stream = new EventSource(`v1/events?unnamed=true${last === null ? "" : `&after=${last}`}`);
  stream.onopen = () => { wanted = true; };
  stream.onmessage = (message) => { wanted = true; showEvent(JSON.parse(message.data)); };
  stream.addEventListener("gap", () => { wanted = true; });
  stream.onerror = (error) => {
    lost(error);
    wanted = true;
    // Where the answer was no stream, a browser does not come back by itself.
    if (stream.readyState === EventSource.CLOSED) setTimeout(begin, 2000);
  };
}

$("flatten-all").addEventListener("click", flattenAll);
setInterval(tick, 250);
setInterval(beat, 100);
begin();
