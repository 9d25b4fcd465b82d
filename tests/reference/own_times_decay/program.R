# Serial correlation at times that no two patients share, alone and beside random slopes: nlme.
#   Rscript program.R     writes reference.json beside data.csv
# data.csv is synthetic: 40 patients in two arms, seen 3 to 7 times at weeks of their own; steady has a correlation
# exp(-distance / 5 weeks), value has a random slope beside it.
suppressMessages({library(nlme); library(jsonlite)})
d <- read.csv("data.csv", stringsAsFactors = TRUE)
exact_lme <- lmeControl(opt = "nlminb", msMaxIter = 500, maxIter = 500, tolerance = 1e-12, msTol = 1e-14, returnObject = FALSE)
exact_gls <- glsControl(opt = "nlminb", msMaxIter = 500, maxIter = 500, tolerance = 1e-12, msTol = 1e-14)
block <- function(fit) {
  list(
    loglik = as.numeric(logLik(fit)), term = names(if (inherits(fit, "lme")) fixef(fit) else coef(fit)),
    estimate = if (inherits(fit, "lme")) fixef(fit) else coef(fit), std_error = sqrt(diag(vcov(fit))),
    residual_variance = fit$sigma^2,
    correlation = as.numeric(coef(fit$modelStruct$corStruct, unconstrained = FALSE)),
    random = if (inherits(fit, "lme")) matrix(unclass(getVarCov(fit)), ncol(getVarCov(fit))) else NULL
  )
}
both <- function(make) list(reml = block(make("REML")), ml = block(make("ML")))
out <- list(
  program = paste("R", getRversion(), "nlme", packageVersion("nlme")),
  decay = both(function(m) gls(steady ~ arm * week, d, correlation = corExp(3, form = ~ week | patient), method = m, control = exact_gls)),
  slope_decay = both(function(m) lme(value ~ arm * week, d, random = ~ 0 + week | patient,
    correlation = corExp(3, form = ~ week | patient), method = m, control = exact_lme)),
  slope_ar1 = both(function(m) lme(value ~ arm * week, d, random = ~ 0 + week | patient,
    correlation = corAR1(0.3, form = ~ visit | patient), method = m, control = exact_lme)),
  line_ar1 = both(function(m) lme(value ~ arm * week, d, random = ~ 1 + week | patient,
    correlation = corAR1(0.3, form = ~ visit | patient), method = m, control = exact_lme)),
  boundary = both(function(m) lme(steady ~ arm * week, d, random = ~ 0 + week | patient,
    correlation = corExp(3, form = ~ week | patient), method = m, control = exact_lme))
)
write_json(out, "reference.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
