## Processor time of ordinal::clmm and lme4::glmer on the cases of generalized.py: "case seconds logLik" a line.
suppressWarnings(suppressPackageStartupMessages({ library(ordinal); library(lme4) }))
dir <- commandArgs(trailingOnly = TRUE)[1]
runs <- as.integer(commandArgs(trailingOnly = TRUE)[2])
large <- commandArgs(trailingOnly = TRUE)[3] == "large"
sites <- c("trunk", "face", "extremity", "acral")
read <- function(name, grade) {
  d <- read.csv(file.path(dir, paste0(name, ".csv")))
  d$patient <- factor(d$patient)
  if ("body_site" %in% names(d)) d$body_site <- factor(d$body_site, levels = sites)
  if (grade) d$grade <- factor(d$grade, ordered = TRUE)
  d
}
report <- function(name, times, fit)
  cat(sprintf("%s %.6f %.8f\n", name, median(times), as.numeric(logLik(fit))))
clock <- function(name, n, fun) {
  fit <- NULL
  times <- vapply(seq_len(n), function(k) { t <- sum(proc.time()[1:2]); fit <<- fun(); sum(proc.time()[1:2]) - t }, 0)
  report(name, times, fit)
}
w <- read("ordinal_within", TRUE)
clock("ordinal_within", runs, function() clmm(grade ~ laser * prp + body_site + (1 | patient), data = w, nAGQ = 7))
clock("ordinal_within_laplace", runs, function() clmm(grade ~ laser * prp + body_site + (1 | patient), data = w, nAGQ = 1))
l <- read("ordinal_nested", TRUE); l$visit <- factor(l$visit); l$les <- factor(paste(l$patient, l$lesion))
clock("ordinal_nested", 1, function() clmm(grade ~ laser * prp * visit + body_site + (1 | patient) + (1 | les), data = l))
b <- read("binary_within", FALSE)
clock("binary_within", runs, function() glmer(responder ~ laser * prp + body_site + (1 | patient), data = b, family = binomial, nAGQ = 7))
clock("binary_within_laplace", runs, function() glmer(responder ~ laser * prp + body_site + (1 | patient), data = b, family = binomial))
m <- read("ordinal_covariate_1000", TRUE)
clock("ordinal_covariate_1000", 1, function() clmm(grade ~ laser * prp + baseline + (1 | patient), data = m, nAGQ = 7))
if (!large) quit()
for (name in c("ordinal_factorial_5000", "ordinal_covariate_5000")) {
  d <- read(name, TRUE)
  f <- if (grepl("covariate", name)) grade ~ laser * prp + baseline + (1 | patient) else grade ~ laser * prp + body_site + (1 | patient)
  clock(name, 1, function() clmm(f, data = d, nAGQ = 7))
}
d <- read("binary_covariate_5000", FALSE)
clock("binary_covariate_5000", 1, function() glmer(responder ~ laser * prp + baseline + (1 | patient), data = d, family = binomial, nAGQ = 7))
