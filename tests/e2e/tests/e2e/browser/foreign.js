// What a page of another origin tries with the server at `portal` and with the helper at `helper`. Each attempt says how it ended.
const [portal, helper, done] = arguments;
const ended = (attempt) => attempt.then(() => "succeeded", () => "blocked");
const opens = (url) =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.onopen = resolve;
    socket.onclose = reject;
  });
const api = `${portal}/api/v1`;
const token = JSON.stringify({ label: "foreign", keys: [], days: 1 });
(async () => {
  const outcome = {
    read: await ended(fetch(`${api}/session`, { credentials: "include" })),
    embed: await ended(fetch(`${api}/session`, { credentials: "include", mode: "no-cors" })),
    change: await ended(
      fetch(`${api}/tokens`, {
        method: "POST",
        credentials: "include",
        headers: { "content-type": "application/json" },
        body: token,
      }),
    ),
    end: await ended(fetch(`${api}/sessions`, { method: "DELETE", credentials: "include" })),
    events: await ended(opens(`${api.replace("http", "ws")}/events`)),
    helper: await ended(opens(helper)),
  };
  // The response of this one is hidden from the page in any case, so the test looks for its effect.
  await ended(
    fetch(`${api}/tokens`, { method: "POST", credentials: "include", mode: "no-cors", body: token }),
  );
  done(outcome);
})();
