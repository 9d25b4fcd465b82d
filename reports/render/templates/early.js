document.getElementById("contents").open = matchMedia("(min-width: 64rem)").matches;
