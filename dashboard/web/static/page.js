// What is left to do beside the terminal: begin again after the screen was left.
window.addEventListener("load", () => {
  document.getElementById("again").addEventListener("click", () => window.location.reload());
});
