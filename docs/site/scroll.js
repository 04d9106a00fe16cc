// Wide tables scroll. The theme wraps them after loading, and keys reach only what can have the focus.
window.addEventListener('load', () => {
  for (const wide of document.querySelectorAll('.md-typeset__scrollwrap')) wide.tabIndex = 0;
});
