// Starts the portal. A file of its own, since the content security policy allows no script inside the page.
import init from "./{{script}}";

init({ module_or_path: new URL("./{{wasm}}", import.meta.url) }).catch((error) => {
  const main = document.getElementById("boot");
  if (main) {
    main.textContent =
      "The portal could not be started: " + error + ". Reload the page; a browser of the last two years with WebAssembly is needed.";
  }
  console.error(error);
});
