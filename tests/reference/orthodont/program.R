# The Orthodont data of nlme (Potthoff and Roy 1964): gls with several structures, lmer with pbkrtest.
# Run in this folder: Rscript program.R
suppressPackageStartupMessages({library(nlme); library(lmerTest); library(pbkrtest); library(jsonlite)})
options(digits = 15)
o <- as.data.frame(Orthodont); o$Subject <- as.character(o$Subject)
write.csv(o[, c("Subject", "Sex", "age", "distance")], "data.csv", row.names = FALSE)
d <- read.csv("data.csv"); d$Sex <- factor(d$Sex, c("Male", "Female")); d$visit <- factor(d$age); d$time <- as.integer(d$visit)
d <- d[order(d$Subject, d$age), ]
f <- distance ~ Sex * visit
control <- glsControl(tolerance = 1e-12, msTol = 1e-14, maxIter = 500, msMaxIter = 500)
gls_fits <- list(
  us = gls(f, d, correlation = corSymm(form = ~ time | Subject), weights = varIdent(form = ~ 1 | visit), control = control),
  csh = gls(f, d, correlation = corCompSymm(form = ~ 1 | Subject), weights = varIdent(form = ~ 1 | visit), control = control),
  ar1 = gls(f, d, correlation = corAR1(form = ~ time | Subject), control = control))
block <- function(g) list(logLik = as.numeric(logLik(g)), beta = unname(coef(g)), se = unname(sqrt(diag(vcov(g)))))
slope <- lmer(distance ~ Sex * age + (1 + age | Subject), d,
              control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5)))
k <- coef(summary(slope, ddf = "Kenward-Roger")); s <- coef(summary(slope, ddf = "Satterthwaite"))
out <- c(list(R = R.version.string, versions = lapply(c(nlme = "nlme", lmerTest = "lmerTest", pbkrtest = "pbkrtest"),
              function(p) as.character(packageVersion(p)))), lapply(gls_fits, block),
         list(slope = list(logLik = as.numeric(logLik(slope)), beta = unname(fixef(slope)),
              satterthwaite = list(se = unname(s[, 2]), df = unname(s[, 3])),
              kenward_roger = list(se = unname(k[, 2]), df = unname(k[, 3])))))
write_json(out, "reference.json", digits = 15, auto_unbox = TRUE, pretty = TRUE)
