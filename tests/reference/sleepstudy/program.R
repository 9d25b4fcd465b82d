# Random intercepts and slopes on the sleepstudy data of lme4 (Belenky et al. 2003): lmerTest and pbkrtest.
# Run in this folder: Rscript program.R
suppressPackageStartupMessages({library(lme4); library(lmerTest); library(pbkrtest); library(jsonlite)})
options(digits = 15)
write.csv(sleepstudy, "data.csv", row.names = FALSE)
d <- read.csv("data.csv"); d$Subject <- factor(d$Subject)
control <- lmerControl(optimizer = "nloptwrap", optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-14, maxeval = 5000))
fits <- list(correlated = lmer(Reaction ~ Days + (1 + Days | Subject), d, control = control),
             uncorrelated = lmer(Reaction ~ Days + (1 + Days || Subject), d, control = control),
             intercept = lmer(Reaction ~ Days + (1 | Subject), d, control = control))
block <- function(f) {
  s <- coef(summary(f, ddf = "Satterthwaite")); k <- coef(summary(f, ddf = "Kenward-Roger"))
  v <- as.data.frame(VarCorr(f))
  list(logLik = as.numeric(logLik(f)), beta = unname(fixef(f)), variances = v$vcov,
       satterthwaite = list(se = unname(s[, 2]), df = unname(s[, 3])),
       kenward_roger = list(se = unname(k[, 2]), df = unname(k[, 3])))
}
versions <- lapply(c(lme4 = "lme4", lmerTest = "lmerTest", pbkrtest = "pbkrtest"), function(p) as.character(packageVersion(p)))
write_json(c(list(R = R.version.string, versions = versions), lapply(fits, block)), "reference.json", digits = 15, auto_unbox = TRUE, pretty = TRUE)
