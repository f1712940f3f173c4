// Arguments: requests as [method, path, body], how often each is aborted, and the driver's callback. Aborts every request at
// another moment after it was sent; then makes one request after the other to its end and gives their statuses.
const [requests, times, done] = arguments;
const LONGEST = 3;

const send = ([method, path, body], signal) =>
  fetch(path, {
    method,
    signal,
    body: body === null ? undefined : JSON.stringify(body),
    headers: body === null ? {} : { "Content-Type": "application/json" },
  });

// Timers of a page are coarser than a millisecond.
const wait = async (milliseconds) => {
  const end = performance.now() + milliseconds;
  await new Promise((resolve) => setTimeout(resolve, 0));
  while (performance.now() < end);
};

(async () => {
  let aborted = 0;
  for (let round = 0; round < times; round++) {
    for (const request of requests) {
      const controller = new AbortController();
      const answer = send(request, controller.signal).catch(() => (aborted += 1));
      await wait((LONGEST * round) / times);
      controller.abort();
      await answer;
    }
  }
  const statuses = [];
  for (const request of requests) statuses.push((await send(request)).status);
  done({ aborted, statuses });
})().catch((error) => done({ error: String(error) }));
