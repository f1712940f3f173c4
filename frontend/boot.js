// Starts the portal. This is a separate file because the content security policy forbids inline scripts.
import init from "./{{script}}";

// The browser makes elements from text only if this policy accepts the text. The framework does that for parts of pages that never
// change, which are plain elements. Scripts, and elements that run or load something, are rejected.
const TAGS =
  "a|abbr|b|br|button|code|dd|div|dl|dt|em|h[1-6]|hr|label|legend|li|ol|option|p|pre|small|span|strong|table|tbody|td|th|thead|tr|ul";
const ATTRIBUTES =
  'href="[/#][^"<>]*"|(?:class|colspan|data-testid|for|id|lang|rel|role|scope|tabindex|type|value|aria-[a-z]+)="[^"<>]*"|hidden|selected';
const PLAIN = new RegExp(`^(?:[^<]|</(?:${TAGS})>|<(?:${TAGS})(?: (?:${ATTRIBUTES}))*>)*$`);
globalThis.trustedTypes?.createPolicy("default", {
  createHTML: (html) => (PLAIN.test(html) ? html : null),
});

init({ module_or_path: new URL("./{{wasm}}", import.meta.url) }).catch((error) => {
  const main = document.getElementById("boot");
  if (main) {
    main.textContent =
      "The portal could not start: " + error + ". Reload the page. The portal needs a browser with WebAssembly that is at most two years old.";
  }
  console.error(error);
});
