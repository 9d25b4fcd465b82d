# Standardised differences of Austin (2009) and of Yang and Dalton (2012), in base R alone.
# Run here: Rscript program.R > reference.json
d <- read.csv("data.csv", stringsAsFactors = FALSE)

of_numbers <- function(x, y) abs(mean(x) - mean(y)) / sqrt((var(x) + var(y)) / 2)

of_levels <- function(x, y) {
  levels <- sort(unique(c(x, y)))
  t <- as.numeric(table(factor(x, levels))) / length(x)
  c <- as.numeric(table(factor(y, levels))) / length(y)
  t <- t[-length(t)]                              # the last level is left out, not the first
  c <- c[-length(c)]
  k <- length(t)
  S <- matrix(NA_real_, k, k)
  for (i in seq_len(k)) for (j in seq_len(k))
    S[i, j] <- if (i == j) (t[i] * (1 - t[i]) + c[i] * (1 - c[i])) / 2 else -(t[i] * t[j] + c[i] * c[j]) / 2
  sqrt(as.numeric(t(t - c) %*% solve(S) %*% (t - c)))
}

arms <- unique(d$arm)
out <- character()
for (i in seq_along(arms)) for (j in seq_along(arms)) if (i < j) {
  a <- d[d$arm == arms[i], ]
  b <- d[d$arm == arms[j], ]
  out <- c(out, sprintf('  "%s | %s": {"age": %.12f, "sex": %.12f, "site": %.12f}', arms[i], arms[j],
    of_numbers(a$age, b$age), of_levels(a$sex, b$sex), of_levels(a$site, b$site)))
}
cat("{\n", paste(out, collapse = ",\n"), "\n}\n", sep = "")
