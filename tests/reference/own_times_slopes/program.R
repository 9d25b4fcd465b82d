# Random slopes at times that no two patients share: lme4, with lmerTest's and pbkrtest's degrees of freedom.
#   Rscript program.R     writes reference.json beside data.csv
# data.csv is synthetic: 30 patients in two arms, two lesions each, seen at weeks of their own; value has random
# intercepts and slopes of patients and intercepts of lesions, flat has intercepts of patients alone.
suppressMessages({library(lme4); library(lmerTest); library(pbkrtest); library(jsonlite)})
d <- read.csv("data.csv", stringsAsFactors = TRUE)
tight <- lmerControl(
  optimizer = "nloptwrap", check.conv.singular = "ignore",
  optCtrl = list(xtol_abs = 1e-13, xtol_rel = 1e-13, ftol_abs = 1e-15, maxeval = 20000)
)
block <- function(formula, data = d, weights = NULL) {
  w <- if (is.null(weights)) rep(1, nrow(data)) else data[[weights]]
  data$w <- w
  reml <- lmerTest::lmer(formula, data, weights = w, control = tight)
  ml <- lme4::lmer(formula, data, weights = w, REML = FALSE, control = tight)
  table <- coef(summary(reml))
  components <- as.data.frame(VarCorr(reml), order = "lower.tri")
  out <- list(
    formula = paste(deparse(formula, width.cutoff = 500), collapse = ""),
    loglik = as.numeric(logLik(reml)), loglik_ml = as.numeric(logLik(ml)),
    term = rownames(table), estimate = table[, "Estimate"], std_error = table[, "Std. Error"],
    satterthwaite_df = table[, "df"], estimate_ml = fixef(ml), std_error_ml = sqrt(diag(as.matrix(vcov(ml)))),
    components = components[, c("grp", "var1", "var2", "vcov")]
  )
  if (is.null(weights)) {
    adjusted <- vcovAdj(reml)
    out$kr_std_error <- sqrt(diag(as.matrix(adjusted)))
    out$kr_df <- sapply(seq_along(fixef(reml)), function(k) {
      l <- rep(0, length(fixef(reml))); l[k] <- 1
      Lb_ddf(l, vcov(reml), adjusted)
    })
  }
  modes <- ranef(reml, condVar = TRUE)$patient
  spread <- attr(modes, "postVar")
  if (!is.list(spread)) spread <- list(spread) # a list where several terms have the same subject
  out$modes <- unname(as.matrix(modes)); out$modes_unit <- rownames(modes)
  out$modes_std_error <- do.call(cbind, lapply(spread, function(v) sqrt(t(apply(v, 3, diag))) |> matrix(nrow = nrow(modes))))
  out
}
out <- list(
  program = paste("R", getRversion(), "lme4", packageVersion("lme4"), "lmerTest", packageVersion("lmerTest"),
                  "pbkrtest", packageVersion("pbkrtest")),
  correlated = block(value ~ arm * week + (1 + week | patient)),
  weighted = block(value ~ arm * week + (1 + week | patient), weights = "area"),
  lesions = block(value ~ arm * week + (1 + week | patient) + (1 | lesion)),
  boundary = block(flat ~ arm * week + (1 | patient) + (0 + week | patient))
)
write_json(out, "reference.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
