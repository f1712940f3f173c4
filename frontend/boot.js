// Starts the portal. This is a separate file because the content security policy forbids inline scripts.
import init from "./{{script}}";

init({ module_or_path: new URL("./{{wasm}}", import.meta.url) }).catch((error) => {
  const main = document.getElementById("boot");
  if (main) {
    main.textContent =
      "The portal could not start: " + error + ". Reload the page. The portal needs a browser with WebAssembly that is at most two years old.";
  }
  console.error(error);
});
