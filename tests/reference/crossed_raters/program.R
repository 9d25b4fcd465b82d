# Crossed random effects (patients and the raters who score them): lme4, lmerTest, pbkrtest, emmeans and nlme.
# The data are simulated here. Run in this folder: Rscript program.R
suppressPackageStartupMessages({library(lme4); library(lmerTest); library(pbkrtest); library(emmeans); library(nlme)
  library(jsonlite)})
options(digits = 15)

set.seed(20261122)
arms <- c("Laser", "PRP", "Laser + PRP"); weeks <- c(0, 4, 12)
d <- expand.grid(week = weeks, lesion = c("left", "right"), patient = sprintf("P%02d", 1:24), stringsAsFactors = FALSE)
patient <- as.integer(factor(d$patient))
d$arm <- arms[(patient - 1) %% 3 + 1]
d$visit <- paste("Week", d$week)
rater <- sample(5, nrow(d), replace = TRUE, prob = c(5, 4, 3, 2, 1))
d$rater <- paste0("R", rater)
d$centre <- paste0("C", (patient - 1) %/% 6 + 1)
d$severity <- round(rnorm(24, 10, 3), 1)[patient]
d$precision <- sample(c(0.5, 1, 2), nrow(d), replace = TRUE)
gain <- c(0, 0.6, 1.4)[(patient - 1) %% 3 + 1]
level <- rnorm(24, 0, 3)[patient] + rnorm(48, 0, 2)[as.integer(factor(paste(d$patient, d$lesion)))]
score <- rnorm(5, 0, 1.8)[rater] + rnorm(5, 0, 0.25)[rater] * d$week
d$value <- round(20 + gain * d$week + 0.8 * d$severity + level + score + rnorm(nrow(d), 0, 1.6), 3)
d$flat <- round(20 + gain * d$week + level + rnorm(nrow(d), 0, 1.6), 3)
d <- d[-sample(nrow(d), 22), ]
# Raters whose means agree better than chance lets them: their variance is estimated as zero.
d$flat <- round(d$flat - ave(resid(lm(flat ~ arm * visit + patient, d)), d$rater), 3)
d <- d[, c("patient", "lesion", "arm", "visit", "week", "rater", "centre", "severity", "precision", "value", "flat")]
write.csv(d, "data.csv", row.names = FALSE)
d <- read.csv("data.csv")
d$arm <- factor(d$arm, arms); d$visit <- factor(d$visit, paste("Week", weeks))

control <- lmerControl(optimizer = "nloptwrap", check.conv.singular = "ignore",
                       optCtrl = list(xtol_abs = 1e-13, xtol_rel = 1e-13, ftol_abs = 1e-15, maxeval = 20000))
tight <- function(formula, w = rep(1, nrow(d))) {
  environment(formula) <- environment()
  f <- lmer(formula, d, weights = w, control = control)
  for (again in 1:2) f <- lmer(formula, d, weights = w, control = control, start = getME(f, "theta"))
  f
}
fits <- list(
  intercepts = tight(value ~ severity + arm * visit + (1 | patient) + (1 | rater)),
  slopes = tight(value ~ severity + arm * week + (1 | patient) + (1 + week | rater)),
  uncorrelated = tight(value ~ severity + arm * week + (1 | patient) + (1 + week || rater)),
  nested = tight(value ~ severity + arm * visit + (1 | patient/lesion) + (1 | rater)),
  weighted = tight(value ~ severity + arm * visit + (1 | patient) + (1 | rater), d$precision),
  three = tight(value ~ severity + arm + (1 | patient) + (1 | rater) + (1 | visit)),
  centre = tight(value ~ severity + arm * visit + (1 | centre) + (1 | patient) + (1 | rater)),
  none = tight(flat ~ arm * visit + (1 | patient) + (1 | rater)))
block <- function(f) {
  s <- coef(summary(f, ddf = "Satterthwaite")); k <- coef(summary(f, ddf = "Kenward-Roger"))
  a <- anova(f, type = 3, ddf = "Satterthwaite"); b <- anova(f, type = 3, ddf = "Kenward-Roger")
  v <- as.data.frame(VarCorr(f))
  list(formula = paste(deparse(formula(f), width.cutoff = 500), collapse = ""), logLik = as.numeric(logLik(f)),
       logLik_ml = as.numeric(logLik(update(f, REML = FALSE))),
       terms = names(fixef(f)), beta = unname(fixef(f)),
       variances = v[, c("grp", "var1", "var2", "vcov")],
       satterthwaite = list(se = unname(s[, 2]), df = unname(s[, 3]), anova_f = a[, 5], anova_df = a[, 4]),
       kenward_roger = list(se = unname(k[, 2]), df = unname(k[, 3]), anova_f = b[, 5], anova_df = b[, 4]))
}
modes <- function(f) {
  r <- as.data.frame(ranef(f, condVar = TRUE))
  data.frame(group = as.character(r$grpvar), unit = as.character(r$grp), term = as.character(r$term),
             estimate = r$condval, std_error = r$condsd)
}
answers <- lapply(fits, block)
for (name in c("intercepts", "slopes", "nested", "weighted", "none")) answers[[name]]$modes <- modes(fits[[name]])

emm_options(lmer.df = "kenward-roger")
means <- as.data.frame(emmeans(fits$intercepts, ~ arm | visit))
pairs <- as.data.frame(pairs(emmeans(fits$intercepts, ~ arm | visit), adjust = "none"))
answers$intercepts$emmeans <- list(means = means$emmean, se = means$SE, df = means$df,
                                   pairs = pairs$estimate, pairs_se = pairs$SE, pairs_df = pairs$df)

# A residual covariance over visits beside raters: nlme, with the raters' effects as a multiple of the identity within a
# group of all rows. One lesion of each patient, so that a patient has one row a visit.
one <- d[d$lesion == "left", ]
one$all <- factor(1); one$rater <- factor(one$rater); one$slot <- as.integer(one$visit)
mmrm <- lme(value ~ severity + arm * visit, one, random = list(all = pdIdent(~ rater - 1)),
            correlation = corSymm(form = ~ slot | all/patient), weights = varIdent(form = ~ 1 | visit),
            control = lmeControl(opt = "optim", maxIter = 500, msMaxIter = 500, niterEM = 0, tolerance = 1e-12,
                                 msTol = 1e-14, returnObject = TRUE))
answers$repeated <- list(logLik = as.numeric(logLik(mmrm)), beta = unname(fixef(mmrm)),
                         se = unname(sqrt(diag(vcov(mmrm)))),
                         rater_variance = as.numeric(VarCorr(mmrm)[1, 1]),
                         correlation = unname(as.numeric(coef(mmrm$modelStruct$corStruct, unconstrained = FALSE))),
                         residual_sd_ratio = coef(mmrm$modelStruct$varStruct, unconstrained = FALSE, allCoef = TRUE),
                         sigma = mmrm$sigma)
versions <- lapply(c(lme4 = "lme4", lmerTest = "lmerTest", pbkrtest = "pbkrtest", emmeans = "emmeans", nlme = "nlme"),
                   function(p) as.character(packageVersion(p)))
write_json(c(list(R = R.version.string, versions = versions), answers), "reference.json", digits = 15,
           auto_unbox = TRUE, pretty = TRUE)
