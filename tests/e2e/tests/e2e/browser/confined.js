// What injected code would try on a page of the portal. Each attempt says whether the browser let it pass.
const [done] = arguments;
const passes = (attempt) => {
  try {
    return attempt() !== false;
  } catch {
    return false;
  }
};
const element = () => document.createElement("div");
const inlineScript = () => {
  const script = document.createElement("script");
  script.append("window.injected = true");
  document.body.append(script);
  return window.injected === true;
};
// The driver lifts the ban on `eval` until its script returns.
setTimeout(() => {
  done({
    plainText: passes(() => (element().innerHTML = '<p class="hint">plain</p>')),
    script: passes(() => (element().innerHTML = "<script src='/assets/x.js'></script>")),
    image: passes(() => (element().innerHTML = "<img src=x onerror=alert(1)>")),
    handler: passes(() => (element().innerHTML = '<p onclick="alert(1)">x</p>')),
    otherSite: passes(() => (element().innerHTML = '<a href="https://example.net/">x</a>')),
    eval: passes(() => window.eval("true")),
    function: passes(() => new Function("return true")()),
    timer: passes(() => setTimeout("window.injected = true", 0)),
    scriptAddress: passes(() => (document.createElement("script").src = "https://example.net/x.js")),
    inlineScript: passes(inlineScript),
    policy: passes(() => trustedTypes.createPolicy("another", { createHTML: (html) => html })),
  });
}, 0);
