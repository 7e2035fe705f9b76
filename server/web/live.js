// Keeps the page live: fetches it again and replaces the sections that have changed, so
// that focus and scrolling stay. Changes of states are said to screen readers.
"use strict";
const pause = 2000;
const states = (root) => new Map([...root.querySelectorAll("[data-node]")].map((e) => [e.dataset.node, e.textContent]));

function say(before, after) {
  const said = [];
  for (const [node, state] of after) {
    if (before.get(node) !== state) said.push(`${node} is ${state}`);
  }
  for (const node of before.keys()) {
    if (!after.has(node)) said.push(`${node} is gone`);
  }
  if (said.length) document.getElementById("said").textContent = said.join(", ");
}

async function refresh() {
  const stale = document.getElementById("stale");
  try {
    const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if ((page.querySelector("#nodes") === null) !== (document.querySelector("#nodes") === null)) {
      location.reload(); // PD went away or came back: another page
      return;
    }
    const before = states(document);
    for (const part of page.querySelectorAll("[data-live]")) {
      const here = document.getElementById(part.id);
      if (here && here.innerHTML !== part.innerHTML && !here.contains(document.activeElement)) here.innerHTML = part.innerHTML;
    }
    say(before, states(document));
    document.title = page.title;
    stale.hidden = true;
  } catch {
    stale.hidden = false;
  }
  setTimeout(refresh, document.hidden ? 5 * pause : pause);
}
setTimeout(refresh, pause);
